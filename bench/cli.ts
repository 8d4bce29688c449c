import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { positive, readFlags } from '../scripts/flags.ts';
import { comparisonRows } from './compare.ts';
import { rotate, round } from './sampling.ts';
import { median, spread } from './statistics.ts';
import { choosePrograms, comparisonOf } from './subjects/choose.ts';
import { timeWatch } from './watch.ts';

/** Wall time of cold commands beside `node -e 0`, in one run, in turn and in changing order. */
const USAGE = `Usage: npm run bench:cli -- [flags]

Measures how long cold commands take, and prints medians, spread and ratios;
of \`kmi watch\` the time to its first line, and what it takes of a core while
nothing happens.

  --runs 100              runs of each command (default 20)
  --idle 60               seconds an idle watch is measured (default 20, 0: not)
  --subjects kmi,../main  compare this build with that of another checkout,
                          round by round
  --json                  print the figures as data
  --help                  print this`;

const NODE = 'node -e 0';
const COMMANDS = ['--help', 'status', 'watch'];

const flags = readFlags(USAGE, { runs: 'string', idle: 'string', subjects: 'string', json: 'boolean' });
const runs = positive(USAGE, 'runs', flags.runs, 20);
const programs = choosePrograms(flags.subjects ?? 'kmi').filter(({ kind }) => kind === 'kmi');
const idleMs = Math.max(0, Number(flags.idle ?? 20)) * 1000;
const comparison = comparisonOf(programs);
const folder = mkdtempSync(join(tmpdir(), 'kmi-bench-'));
const ENVIRONMENT = {
  PATH: process.env.PATH,
  HOME: folder,
  KMI_STATE_DIR: join(folder, 'state'),
  KMI_PROXY_LISTEN: '127.0.0.1:1',
};

try {
  mkdirSync(join(folder, '_auths'));
  for (const label of ['a', 'b', 'c'])
    writeFileSync(join(folder, '_auths', `${label}.env`), `KMI_API_KEY=sk-bench-${label}\n`, { mode: 0o600 });
  const nodeTimes: number[] = [];
  /** By command, then by program. */
  const times = new Map(COMMANDS.map((command) => [command, new Map(programs.map(({ name }) => [name, [] as number[]]))]));
  for (let run = 0; run <= runs; run++) {
    // The first round warms the file cache.
    const note = (list: number[] | undefined, ms: number) => (run === 0 ? undefined : list?.push(ms));
    note(nodeTimes, time(['-e', '0']));
    for (const command of rotate(COMMANDS, run)) {
      for (const { name, cli } of rotate(programs, run)) note(times.get(command)?.get(name), await timeOf(cli, command));
    }
  }
  const base = median(nodeTimes);
  const all = [
    { name: NODE, ms: nodeTimes },
    ...[...times].flatMap(([command, byProgram]) => [...byProgram].map(([name, ms]) => ({ name: `${name} ${command}`, ms }))),
  ];
  const rows = all.map(({ name, ms }) => ({
    command: name,
    median_ms: round(median(ms)),
    spread_ms: round(spread(ms)),
    ratio: round(median(ms) / base),
  }));
  const figures = new Map([...times].map(([command, byProgram]) => [`${command}: ms`, byProgram]));
  const compared = (comparison?.older ?? []).map(({ name }) => {
    const newer = comparison?.newer.name as string;
    return { newer, older: name, rows: comparisonRows(figures, newer, name) };
  });
  const idle = [];
  for (const { name, cli } of idleMs > 0 ? programs : []) {
    const { idleShare } = await timeWatch(cli, folder, ENVIRONMENT, idleMs);
    idle.push({ command: `${name} watch, idle`, percent_of_a_core: round((idleShare ?? 0) * 100) });
  }
  if (flags.json === true) console.log(JSON.stringify({ runs, rows, idle, ...(compared.length === 0 ? {} : { compared }) }));
  else {
    console.table(rows);
    if (idle.length > 0) console.table(idle);
    for (const { newer, older, rows } of compared) {
      console.log(`\n${newer} (new) against ${older} (old)`);
      console.table(rows);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function timeOf(cli: string, command: string): Promise<number> {
  return command === 'watch' ? (await timeWatch(cli, folder, ENVIRONMENT)).firstMs : time([cli, command]);
}

function time(args: readonly string[]): number {
  const start = performance.now();
  const { error } = spawnSync(process.execPath, args, {
    cwd: folder,
    stdio: 'ignore',
    env: ENVIRONMENT,
  });
  if (error !== undefined) throw error;
  return performance.now() - start;
}
