import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, type RunnerTask, TestRunner } from 'vitest';
import { cleanUp } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { RETRIES } from './real-time.ts';

const exec = promisify(execFile);

export type TerminalOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly columns?: number;
  readonly rows?: number;
};

/** A real terminal with a shell in it, in which the built binary runs. */
export type Terminal = {
  /** Types text and presses Enter. */
  type(line: string): Promise<void>;
  /** The same on an empty screen, so that nothing of what was there before can be taken for its output. For the shell only. */
  typeAfresh(line: string): Promise<void>;
  /** Presses keys by tmux's names: `q`, `C-c`, `Escape`. */
  press(...keys: string[]): Promise<void>;
  /** Pastes text as a terminal does: marked as a paste where the program asked for that, else as if typed. */
  paste(text: string): Promise<void>;
  /** The lines on the screen, without colour. */
  screen(): Promise<string>;
  /** The same with the sequences that colour them, as `parseScreen` reads them. */
  painted(): Promise<string>;
  /** The screen as soon as the pattern matches it; fails with the screen when it does not within 20 s. */
  waitFor(pattern: RegExp): Promise<string>;
  resize(columns: number, rows: number): Promise<void>;
  /** Whether the alternate screen is shown and the cursor is visible. */
  modes(): Promise<{ readonly alternate: boolean; readonly cursor: boolean }>;
};

/** Tests that opened a terminal: they, and no others of the file, run in real time. */
const inTerminals = new WeakSet<RunnerTask>();

// How often a test may be tried again must be known before it starts, whether it is one of these when it has failed.
// biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures from the pattern, here none.
beforeAll(({}, file) => {
  for (const test of testsIn(file.tasks)) test.retry ||= { count: RETRIES, condition: () => inTerminals.has(test) };
});

function testsIn(tasks: readonly RunnerTask[]): RunnerTask[] {
  return tasks.flatMap((task) => (task.type === 'suite' ? testsIn(task.tasks) : [task]));
}

/**
 * Opens a terminal whose shell knows `kmi`, the built binary, and prints `ended <code>` after each command. It has a
 * tmux server of its own, which ends with the test file. Rejects when tmux is not installed.
 */
export async function openTerminal({ env = {}, cwd, columns = 80, rows = 24 }: TerminalOptions = {}): Promise<Terminal> {
  const test = TestRunner.getCurrentTest();
  if (test !== undefined) inTerminals.add(test);
  const folder = await mkdtemp(join(tmpdir(), 'kmi-tmux-'));
  const socket = `kmi-test-${randomUUID().slice(0, 8)}`;
  const cli = resolve(import.meta.dirname, '../../dist/cli.js');
  const tmux = async (...args: string[]) => {
    const environment = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      TMUX_TMPDIR: folder,
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
    };
    return (await exec('tmux', ['-L', socket, '-f', '/dev/null', ...args], { env: environment })).stdout;
  };
  cleanUp(async () => {
    await tmux('kill-server').catch(() => undefined);
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });

  const variables = Object.entries({ PS1: '$ ', ...env }).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const size = ['-x', String(columns), '-y', String(rows)];
  await tmux('new-session', '-d', ...size, ...variables, '-c', cwd ?? folder, '/bin/sh');
  await tmux('set-option', '-g', 'status', 'off');
  await tmux('resize-window', ...size);
  const screen = async () => tmux('capture-pane', '-p');
  const type = async (line: string) => {
    await tmux('send-keys', '-l', line);
    await tmux('send-keys', 'Enter');
  };
  const waitFor = (pattern: RegExp) =>
    eventually(async () => {
      const shown = await screen();
      if (!pattern.test(shown)) throw new Error(`No ${pattern} on the screen:\n${shown}`);
      return shown;
    }, 20_000);
  await type(`kmi() { '${process.execPath}' '${cli}' "$@"; echo "ended $?"; }; clear; echo ready`);
  await waitFor(/^ready$/m);
  // What is typed before the prompt is there is shown and then cleared away, and the next output shares the prompt's line.
  const clear = async () => {
    await type('clear');
    await waitFor(/^\s*[$#]\s*$/);
  };
  await clear();
  return {
    type,
    typeAfresh: async (line) => {
      await clear();
      await type(`clear; ${line}`);
    },
    screen,
    painted: () => tmux('capture-pane', '-p', '-e'),
    waitFor,
    press: async (...keys) => {
      for (const key of keys) await tmux('send-keys', key);
    },
    paste: async (text) => {
      await tmux('set-buffer', '--', text);
      await tmux('paste-buffer', '-p', '-d');
    },
    resize: async (width, height) => {
      await tmux('resize-window', '-x', String(width), '-y', String(height));
    },
    modes: async () => {
      const [alternate, cursor] = (await tmux('display-message', '-p', '#{alternate_on} #{cursor_flag}')).trim().split(' ');
      return { alternate: alternate === '1', cursor: cursor === '1' };
    },
  };
}
