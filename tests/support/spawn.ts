import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cleanUp } from './cleanup.ts';
import { nodeWarningIn, noteNodeWarnings } from './node-warnings.ts';

export type SpawnOptions = {
  /** The whole of the child's settings; nothing is taken from the environment of the tests but PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: an empty folder, so that no `.env` and no `_auths` are found by chance. */
  readonly cwd?: string;
  /** Written to standard input, which is then closed. */
  readonly stdin?: string | Uint8Array;
  /** The built file below dist, or an absolute path. Default `cli.js`. */
  readonly script?: string;
};

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
export type Finished = Ended & { readonly stdout: string; readonly stderr: string };

/** Runs the built binary to its end. Rejects, with what was printed, when it takes longer than `timeoutMs` or Node warned. */
export async function runKmi(
  args: readonly string[],
  { timeoutMs = 30_000, ...options }: SpawnOptions & { readonly timeoutMs?: number } = {},
): Promise<Finished> {
  const running = await startKmi(args, options);
  const ended = await withTimeout(running.ended, timeoutMs, () => {
    running.child.kill('SIGKILL');
    return `\`kmi ${args.join(' ')}\` still runs after ${timeoutMs} ms.\n${running.output()}`;
  });
  const warning = nodeWarningIn(running.stderr());
  if (warning !== null) throw new Error(`\`kmi ${args.join(' ')}\` printed a warning of Node's:\n${warning}`);
  return { ...ended, stdout: running.stdout(), stderr: running.stderr() };
}

export type RunningKmi = {
  readonly child: ChildProcess;
  /** Resolves when the process has ended and its output is complete. */
  readonly ended: Promise<Ended>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Both streams in the order of arrival. */
  readonly output: () => string;
  /** The first match in the output so far or to come. Rejects when the process ends or the time is over before. */
  readonly waitForOutput: (pattern: RegExp, timeoutMs?: number) => Promise<RegExpExecArray>;
  /** Sends the signal and waits for the end; a process that stays for 30 s is killed and the wait rejects. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<Ended>;
};

/** Starts the built binary; it is killed when the test file is done. */
export async function startKmi(args: readonly string[], options: SpawnOptions = {}): Promise<RunningKmi> {
  const script = resolve(import.meta.dirname, '../../dist', options.script ?? 'cli.js');
  const emptyFolder = temporaryFolder();
  const child = spawn(process.execPath, [script, ...args], {
    cwd: options.cwd ?? emptyFolder,
    env: { ...cleanEnvironment(emptyFolder), ...options.env },
    stdio: 'pipe',
  });
  const ended = once(child, 'close').then(([code, signal]): Ended => ({ code, signal }));
  cleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
    noteNodeWarnings(`kmi ${args.join(' ')}`, printed.stderr);
  });

  const printed = { stdout: '', stderr: '', both: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      printed[name] += chunk;
      printed.both += chunk;
    });
  }
  // A child that ends without reading its input breaks the pipe; that is its right.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  await once(child, 'spawn');

  const output = () => printed.both;
  return {
    child,
    ended,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    output,
    waitForOutput: (pattern, timeoutMs = 30_000) =>
      withTimeout(matchOutput(child, ended, output, pattern), timeoutMs, () => `No ${pattern} in ${timeoutMs} ms:\n${output()}`),
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return withTimeout(ended, 30_000, () => {
        child.kill('SIGKILL');
        return `Still runs 30 s after ${signal}:\n${output()}`;
      });
    },
  };
}

function matchOutput(
  child: ChildProcess,
  ended: Promise<Ended>,
  output: () => string,
  pattern: RegExp,
): Promise<RegExpExecArray> {
  // A global pattern would go on from its last match.
  const once = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return new Promise((resolve, reject) => {
    const look = () => {
      const match = once.exec(output());
      if (match === null) return false;
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
      resolve(match);
      return true;
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    look();
    ended.then(({ code, signal }) => {
      if (!look()) reject(new Error(`The process ended (${signal ?? code}) without ${pattern}:\n${output()}`));
    }, reject);
  });
}

async function withTimeout<Value>(promise: Promise<Value>, timeoutMs: number, onTimeout: () => string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(onTimeout())), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function cleanEnvironment(home: string): Record<string, string> {
  const coverageFolder = process.env.KMI_TEST_COVERAGE_DIR;
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    ...(coverageFolder === undefined ? {} : { NODE_V8_COVERAGE: coverageFolder }),
  };
}

let folder: string | null = null;

/** One empty folder a test file. */
function temporaryFolder(): string {
  if (folder === null) {
    const made = mkdtempSync(join(tmpdir(), 'kmi-cwd-'));
    folder = made;
    cleanUp(() => rm(made, { recursive: true, force: true }));
  }
  return folder;
}
