import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, spread } from './statistics.ts';

/**
 * Wall time of cold commands beside `node -e 0`, in one run, in turn and in changing order. Prints medians, spread and
 * ratios; `--json` prints them as data. `--runs N` (default 20).
 */

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

type Subject = { readonly name: string; readonly args: readonly string[] };

const SUBJECTS: readonly Subject[] = [
  { name: 'node -e 0', args: ['-e', '0'] },
  { name: 'kmi --help', args: [CLI, '--help'] },
  { name: 'kmi status', args: [CLI, 'status'] },
];

const runs = Number(process.argv[process.argv.indexOf('--runs') + 1] ?? 20) || 20;
const folder = mkdtempSync(join(tmpdir(), 'kmi-bench-'));

try {
  mkdirSync(join(folder, '_auths'));
  for (const label of ['a', 'b', 'c'])
    writeFileSync(join(folder, '_auths', `${label}.env`), `KMI_API_KEY=sk-bench-${label}\n`, { mode: 0o600 });
  const times = new Map(SUBJECTS.map(({ name }) => [name, [] as number[]]));
  for (let run = 0; run <= runs; run++) {
    for (let n = 0; n < SUBJECTS.length; n++) {
      const subject = SUBJECTS[(n + run) % SUBJECTS.length] as Subject;
      const ms = time(subject);
      // The first round warms the file cache.
      if (run > 0) times.get(subject.name)?.push(ms);
    }
  }
  const base = median(times.get('node -e 0') ?? []);
  const rows = [...times].map(([name, ms]) => ({
    command: name,
    median_ms: round(median(ms)),
    spread_ms: round(spread(ms)),
    ratio: round(median(ms) / base),
  }));
  if (process.argv.includes('--json')) console.log(JSON.stringify({ runs, rows }));
  else console.table(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function time({ args }: Subject): number {
  const start = performance.now();
  const { error } = spawnSync(process.execPath, args, {
    cwd: folder,
    stdio: 'ignore',
    env: { PATH: process.env.PATH, HOME: folder, KMI_STATE_DIR: join(folder, 'state'), KMI_PROXY_LISTEN: '127.0.0.1:1' },
  });
  if (error !== undefined) throw error;
  return performance.now() - start;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
