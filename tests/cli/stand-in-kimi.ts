import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { eventually } from '../support/eventually.ts';

/** What the stand-in has met so far. */
export type Met = {
  /** Its own process and the one that started it. */
  readonly pid: number;
  readonly ppid: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Standard input, output and error. */
  readonly terminals: readonly boolean[];
  /** Columns and rows; empty without a terminal. */
  readonly size: readonly number[];
  readonly signals: readonly string[];
};

export type StandIn = {
  readonly path: string;
  readonly met: () => Promise<Met>;
  readonly waitForSignal: (name: string) => Promise<Met>;
};

export type StandInOptions = {
  /** Words in its first lines, by which programs are told apart. */
  readonly marker?: string;
  /** What it does once it has written down how it was called; it may use `note` and `process`. */
  readonly does?: string;
};

/** Stays until a SIGTERM, and then ends with code 42. */
export const STAYS = `setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(42)); console.log('ready');`;

/** Writes a program that stands in for a client: it writes down how it was called and which signals reach it. */
export async function writeStandIn(path: string, { marker = '', does = '' }: StandInOptions = {}): Promise<StandIn> {
  const record = `${path}.record.json`;
  const code = `#!${process.execPath}
// ${marker}
// A file without an ending may be taken for either kind of module; this works in both.
const { writeFileSync, renameSync } = process.getBuiltinModule('node:fs');
const met = {
  pid: process.pid, ppid: process.ppid, args: process.argv.slice(2), env: process.env, signals: [],
  terminals: [0, 1, 2].map((descriptor) => process.getBuiltinModule('node:tty').isatty(descriptor)), size: process.stdout.getWindowSize?.() ?? [],
};
const note = () => {
  writeFileSync(${JSON.stringify(`${record}.new`)}, JSON.stringify(met));
  renameSync(${JSON.stringify(`${record}.new`)}, ${JSON.stringify(record)});
};
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH']) {
  process.on(name, () => { met.signals.push(name); met.size = process.stdout.getWindowSize?.() ?? []; note(); });
}
note();
${does || 'process.exit(0);'}
`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, code);
  await chmod(path, 0o755);
  const met = async (): Promise<Met> => JSON.parse(await readFile(record, 'utf8'));
  return {
    path,
    met,
    waitForSignal: (name) =>
      eventually(async () => {
        const now = await met();
        if (!now.signals.includes(name)) throw new Error(`No ${name} came, only ${JSON.stringify(now.signals)}.`);
        return now;
      }),
  };
}

/** The PATH with these folders first; `node` stays on it for scripts that need it. */
export function pathOf(...folders: readonly string[]): string {
  return [...folders, dirname(process.execPath), '/usr/bin', '/bin'].join(':');
}
