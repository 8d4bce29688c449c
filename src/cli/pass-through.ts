import { COMMANDS } from './commands.ts';

export type PassedThrough = {
  /** What kmi reads itself: output flags and the command's name. */
  readonly own: readonly string[];
  /** What the program gets, untouched. */
  readonly passed: readonly string[];
};

/**
 * Splits a command line whose rest belongs to another program, so that no parser of ours sees its options; null for every
 * other. `kmi kimi --help` asks `kimi`; `kmi run --help` asks us, because its program has not been named yet.
 */
export function splitPassThrough(args: readonly string[]): PassedThrough | null {
  const place = args.findIndex((arg) => !arg.startsWith('-'));
  const row = COMMANDS.find(({ name }) => name === args[place]);
  if (row?.passesThrough === undefined) return null;
  const own = args.slice(0, place + 1);
  const rest = args.slice(place + 1);
  if (row.passesThrough === 'everything') return { own, passed: rest };
  if (rest[0] === '--') return { own, passed: rest.slice(1) };
  return rest[0]?.startsWith('-') === true ? null : { own, passed: rest };
}
