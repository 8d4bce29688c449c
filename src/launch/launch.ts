import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { windowsCommand } from './windows-command.ts';

export type Launch = {
  /** A path, or a name that the system looks up on the PATH of `environment`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
};

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'];

/**
 * Runs a program in our place: our standard streams are its own, signals sent to us reach it, and we stay until it ends.
 * Answers its exit code, 128 and the signal's number when a signal ended it (as shells do). Rejects with the system's
 * error when it cannot be started.
 */
export function launch({ program, args, environment }: Launch): Promise<number> {
  return new Promise((resolve, reject) => {
    const isWindows = process.platform === 'win32';
    const command = isWindows ? windowsCommand(program, args, environment.ComSpec) : { file: program, args, verbatim: false };
    const passOn = (signal: NodeJS.Signals) => {
      if (!hasIt(signal)) child.kill(signal);
    };
    const signals = isWindows ? (['SIGINT', 'SIGBREAK'] as const) : PASSED_ON;
    for (const signal of signals) process.on(signal, passOn);
    const child = spawn(command.file, command.args, {
      stdio: 'inherit',
      env: environment,
      windowsVerbatimArguments: command.verbatim,
    });
    const finish = (end: () => void) => {
      for (const signal of signals) process.off(signal, passOn);
      end();
    };
    child.once('error', (error) => finish(() => reject(error)));
    child.once('exit', (code, signal) => {
      finish(() => resolve(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)));
    });
  });
}

/**
 * Ctrl+C and Ctrl+\ reach every process of the terminal's group: the program has the signal, and a second one would look
 * like a second key press, which many take for "at once". A terminal in raw mode makes no signals, so there it was sent by
 * another process, to us alone.
 */
function hasIt(signal: NodeJS.Signals): boolean {
  if (process.platform === 'win32') return true;
  if (signal !== 'SIGINT' && signal !== 'SIGQUIT') return false;
  const terminal = [0, 1, 2].find((descriptor) => isatty(descriptor));
  if (terminal === undefined) return false;
  const { stdout } = spawnSync('stty', ['-a'], { stdio: [terminal, 'pipe', 'ignore'], encoding: 'utf8' });
  return !/(^|\s)-isig\b/.test(stdout ?? '');
}
