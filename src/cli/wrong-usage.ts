import type { CommanderError } from 'commander';
import { KmiError } from '../errors.ts';
import { looksLikeKey } from '../keys/key-text.ts';
import { COMMANDS } from './commands.ts';
import { refuseKeyAsArgument } from './keys/key-selection.ts';
import { nearestCommand, nearestOption } from './nearest.ts';

/** Keys are longer than any word a person would mistype. */
const LONGEST_WORD = 24;

/** A word as it may be repeated: nothing that could be a key, nothing that steers a terminal. Null: it is better not said. */
function sayable(word: string): string | null {
  return word.length <= LONGEST_WORD && !looksLikeKey(word) && /^[\p{L}\p{N}_./:@+,=-]+$/u.test(word) ? word : null;
}

/** How `--help` of a command is asked for; its own may belong to another program. */
export function helpOf(name: string): string {
  const row = COMMANDS.find((each) => each.name === name);
  if (row === undefined) return 'kmi --help';
  return row.passesThrough === 'everything' ? `kmi help ${name}` : `kmi ${name} --help`;
}

/** The nearest command line where there is one, else an example, and where the rest is written. */
function hintFor(place: string, meant: string | null): string {
  if (meant !== null) return `Did you mean \`${meant}\`? See \`${helpOf(place)}\`.`;
  const example = COMMANDS.find(({ name }) => name === place)?.examples[0] ?? 'kmi status';
  return `For example: \`${example}\`. See \`${helpOf(place)}\`.`;
}

function wrong(message: string, place: string, meant: string | null = null): KmiError {
  return new KmiError('bad_usage', message, { hint: hintFor(place, meant) });
}

/** Words behind a command that takes none; `place` is the command, '' for `kmi` itself. Throws `bad_usage` for a key. */
export function unknownWord(place: string, words: readonly string[]): KmiError {
  for (const each of words) refuseKeyAsArgument(each);
  const [word = '', ...more] = words;
  const said = sayable(word);
  const next = sayable(more[0] ?? '');
  const meant = said === null ? null : (settingMeant(place, said, next) ?? commandMeant(place, said, next));
  const hasSubcommands = COMMANDS.some(({ name }) => name.startsWith(`${place} `));
  const what = place === '' ? 'command' : 'subcommand';
  if (place !== '' && !hasSubcommands) {
    return wrong(`\`kmi ${place}\` takes no arguments${said === null ? '' : `, but got "${said}"`}.`, place, meant);
  }
  const kmi = place === '' ? 'kmi' : `kmi ${place}`;
  return wrong(said === null ? `\`${kmi}\` has no such ${what}.` : `\`${kmi}\` has no ${what} "${said}".`, place, meant);
}

function commandMeant(place: string, said: string, next: string | null): string | null {
  return (next === null ? null : nearestCommand(place, `${said} ${next}`)) ?? nearestCommand(place, said);
}

/** `kmi config KMI_DRY_RUN`, with or without a value. */
function settingMeant(place: string, said: string, next: string | null): string | null {
  if (place !== 'config' || !/^kmi_/i.test(said)) return null;
  if (next !== null) return `kmi config set ${said} ${next}`;
  return `kmi config ${said.includes('=') ? 'set' : 'get'} ${said}`;
}

/** More words than a command takes. Throws `bad_usage` for a key. */
export function excessWords(place: string, words: readonly string[]): KmiError {
  for (const each of words) refuseKeyAsArgument(each);
  const said = sayable(words[0] ?? '');
  return wrong(`\`kmi ${place}\` takes fewer arguments${said === null ? '' : `: "${said}" is one too many`}.`, place);
}

/** What commander says is wrong with the options or arguments of a command, in our words. */
export function fromCommander(error: CommanderError, place: string, args: readonly string[]): KmiError {
  const kmi = place === '' ? 'kmi' : `kmi ${place}`;
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  switch (error.code) {
    case 'commander.unknownOption': {
      const option = quoted.split('=')[0] ?? '';
      const said = sayable(option);
      const meant = said === null ? null : meantOption(place, said, args);
      return wrong(said === null ? `\`${kmi}\` has no such option.` : `\`${kmi}\` has no option ${said}.`, place, meant);
    }
    case 'commander.missingArgument':
      return wrong(`\`${kmi}\` needs ${COMMANDS.find(({ name }) => name === place)?.args ?? `<${quoted}>`}.`, place);
    case 'commander.optionMissingArgument':
      return wrong(`The option ${quoted} of \`${kmi}\` needs a value.`, place);
    default:
      return wrong(error.message.replace(/^error: /, ''), place);
  }
}

/** An option before the command it belongs to, such as `kmi --json status`, is one of that command. */
function meantOption(place: string, option: string, args: readonly string[]): string | null {
  const command = place === '' ? COMMANDS.find(({ name }) => args.includes(name)) : undefined;
  return (command === undefined ? null : nearestOption(command.name, option)) ?? nearestOption(place, option);
}
