import { parseArgs } from 'node:util';

type Kinds = Readonly<Record<string, 'boolean' | 'string'>>;
type Values<Flags extends Kinds> = {
  readonly [Name in keyof Flags]: (Flags[Name] extends 'boolean' ? boolean : string) | undefined;
};

/**
 * The flags a script of this repository was given. Long work must not start by a slip: `--help` prints the usage and ends the
 * process, anything unknown is named and ends it with 2.
 */
export function readFlags<const Flags extends Kinds>(usage: string, flags: Flags): Values<Flags> {
  const options = Object.fromEntries(
    Object.entries({ ...flags, help: 'boolean' as const }).map(([name, type]) => [name, { type }]),
  );
  try {
    const { values } = parseArgs({ options });
    if (values.help !== true) return values as Values<Flags>;
  } catch (error) {
    return refuse(usage, (error as Error).message);
  }
  console.log(usage);
  process.exit(0);
}

/** The number a flag was given; `fallback` without the flag. Not a number above 0: ends the process. */
export function positive(usage: string, flag: string, text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  return number > 0 && Number.isFinite(number) ? number : refuse(usage, `--${flag} ${text}: not a number above 0.`);
}

/** The names a flag was given, separated by commas; null without the flag. An unknown one ends the process. */
export function namesOf<Name extends string>(
  usage: string,
  flag: string,
  text: string | undefined,
  known: readonly Name[],
): readonly Name[] | null {
  if (text === undefined) return null;
  return text.split(',').map((name) => {
    const found = known.find((one) => one === name);
    return found ?? refuse(usage, `--${flag} ${name}: not one of ${known.join(', ')}.`);
  });
}

function refuse(usage: string, problem: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}
