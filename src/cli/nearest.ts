import { type CommandRow, namesOf, type OptionRow } from './command/command-row.ts';
import { COMMANDS } from './commands.ts';
import { GUESSES } from './guesses.ts';
import { similarWord } from './similar-word.ts';

/**
 * The command line a person may have meant by words that name no command, after the command they follow ('' for `kmi` itself); null when
 * nothing is near.
 */
export function nearestCommand(place: string, word: string): string | null {
  const below = COMMANDS.filter(({ name }) => name.startsWith(`${place} `));
  const guess = guessOf(place, word);
  if (guess !== null) return guess;
  const subcommand = similarWord(word, wordsAfter(place));
  if (place !== '' && subcommand !== null) return ownLine(`${place} ${subcommand}`);
  if (place === '') return nearestOf(word);
  // `kmi proxy stop`, `kmi keys status`, `kmi rotate auto sticky`, `kmi status json`.
  const own = COMMANDS.filter(({ name }) => name === place);
  return (
    named(`${place} ${word}`) ?? namingOption([...own, ...below], word) ?? nearestOf(`${place} ${word}`) ?? exactly(word) ?? null
  );
}

/** What a word is called here; behind a command only what is one of its own: `kmi keys new`, but not `kmi status new`. */
function guessOf(place: string, word: string): string | null {
  const meant = Object.hasOwn(GUESSES, word.toLowerCase()) ? (GUESSES[word.toLowerCase()] as string) : null;
  if (meant === null || place === '') return meant;
  return `${meant} `.startsWith(`kmi ${place} `) ? meant : null;
}

/** The command line with the option a person may have meant; null when nothing is near. `typed` has its dashes and no value. */
export function nearestOption(place: string, typed: string): string | null {
  const own = COMMANDS.find(({ name }) => name === place);
  const wanted = typed.replace(/^-+/, '');
  const near = similarWord(wanted, [...longNames(own?.options ?? []), ...EVERYWHERE]);
  if (near !== null) return `${place === '' ? 'kmi' : `kmi ${place}`} --${near}`;
  // The older forms are commands with dashes: `kmi --statsu`.
  if (place === '' && similarWord(wanted, COMMANDS.flatMap(namesOf)) !== null) return nearestOf(wanted);
  const elsewhere = COMMANDS.filter(({ name }) => place === '' || name.startsWith(`${place} `)).find(({ options = [] }) =>
    namesIn(options).includes(typed),
  );
  return elsewhere === undefined ? null : `kmi ${elsewhere.name} ${typed}`;
}

/** The long options every command takes. */
const EVERYWHERE = ['plain', 'no-color', 'help'] as const;

/** Words as they are compared: `proxy-stop`, `proxy stop` and `proxystop` are the same. */
function flat(name: string): string {
  return name.replace(/[\s_-]+/g, '').toLowerCase();
}

function named(words: string): string | null {
  const found = COMMANDS.flatMap(namesOf).find((name) => flat(name) === flat(words));
  return found === undefined ? null : ownLine(found);
}

/** The command line of a command in its own words, by any name of it. */
function ownLine(name: string): string {
  return `kmi ${COMMANDS.find((row) => namesOf(row).includes(name))?.name ?? name}`;
}

/** A command of that name, or a subcommand of one command only: `kmi add` is `kmi keys add`. */
function exactly(word: string): string | null {
  const names = COMMANDS.flatMap(namesOf);
  const found = names.find((name) => name === word) ?? names.find((name) => name.endsWith(` ${word}`));
  return found === undefined ? null : ownLine(found);
}

function nearestOf(words: string): string | null {
  const same = named(words) ?? exactly(words);
  if (same !== null) return same;
  const names = COMMANDS.flatMap(namesOf);
  const near = similarWord(
    flat(words),
    names.map((name) => flat(name)),
    // Of two words one may be right as it is.
    words.includes(' ') ? 1 : 2,
  );
  const last = near === null ? similarWord(words, names.filter((name) => name.includes(' ')).map(lastWord)) : null;
  const found = names.find((name) => (near === null ? lastWord(name) === last : flat(name) === near));
  return found === undefined ? null : ownLine(found);
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(' ') + 1);
}

function wordsAfter(place: string): readonly string[] {
  return COMMANDS.flatMap(namesOf)
    .filter((name) => name.startsWith(`${place} `))
    .map((name) => name.slice(place.length + 1));
}

/** A word that is an option without its dashes, or a value without its option. */
function namingOption(rows: readonly CommandRow[], word: string): string | null {
  for (const { name, options = [] } of rows) {
    if (longNames(options).includes(word)) return `kmi ${name} --${word}`;
    const option = options.find((row) => valuesOf(row).includes(word));
    if (option !== undefined) return `kmi ${name} --${longNames([option])[0]} ${word}`;
  }
  return null;
}

function valuesOf({ flags, values }: OptionRow): readonly string[] {
  return values ?? /<([^>]*\|[^>]*)>/.exec(flags)?.[1]?.split('|') ?? [];
}

function namesIn(options: readonly OptionRow[]): readonly string[] {
  return options
    .filter(({ hidden }) => hidden !== true)
    .flatMap(({ flags }) => flags.replace(/<.*/, '').match(/--?[\w-]+/g) ?? []);
}

function longNames(options: readonly OptionRow[]): readonly string[] {
  return namesIn(options)
    .filter((name) => name.startsWith('--'))
    .map((name) => name.slice(2));
}
