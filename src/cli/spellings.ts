import type { CommandRow } from './command/command-row.ts';
import { COMMANDS } from './commands.ts';

/**
 * The command line in the words of the catalogue: aliases (`kmi stop`), the older root flags (`kmi --status --json`) and `-V` are
 * replaced. What is not a name of ours stays as it is, and what follows the name always does.
 */
export function inOwnWords(args: readonly string[]): readonly string[] {
  const at = args.findIndex((arg) => !arg.startsWith('-'));
  const flags = at === -1 ? args : args.slice(0, at);
  if (flags.includes('-V')) return ['-v'];
  const mode = modeAlone(args);
  if (mode !== null) return [...mode.name.split(' '), ...args.slice(1)];
  if (at === -1) return args;
  if (args[at] === 'help') return [...args.slice(0, at + 1), ...inOwnWords(args.slice(at + 1))];
  const next = args.findIndex((arg, index) => index > at && !arg.startsWith('-'));
  const two = next === -1 ? undefined : rowCalled(`${args[at]} ${args[next]}`);
  if (two !== undefined) {
    const between = args.slice(at + 1, next);
    return [...args.slice(0, at), ...two.name.split(' '), ...between, ...args.slice(next + 1)];
  }
  const one = rowCalled(args[at] as string);
  return one === undefined ? args : [...args.slice(0, at), ...one.name.split(' '), ...args.slice(at + 1)];
}

function rowCalled(alias: string): CommandRow | undefined {
  return COMMANDS.find(({ aliases }) => aliases?.includes(alias));
}

/** The command whose root flag begins the line, when nothing else on it names a command. */
function modeAlone([first, ...rest]: readonly string[]): CommandRow | null {
  const row = first === undefined ? undefined : rowOfFlag(first);
  const hasAnother = rest.some((arg) => rowOfFlag(arg) !== undefined || COMMANDS.some(({ name }) => name === arg));
  return row === undefined || hasAnother ? null : row;
}

function rowOfFlag(arg: string): CommandRow | undefined {
  return COMMANDS.find(({ rootFlag, rootFlagAlias }) => arg === rootFlag || arg === rootFlagAlias);
}
