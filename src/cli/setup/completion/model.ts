import { PATH_WORDS, type Setting } from '../../../config/kinds.ts';
import { SETTING_VARIABLES } from '../../../config/known-names.ts';
import { SETTINGS } from '../../../config/settings.ts';
import { type CommandRow, namesOf, type OptionRow } from '../../command/command-row.ts';
import type { Completed, CompletedCommand, CompletedFlag } from './words.ts';

const EVERYWHERE: readonly OptionRow[] = [
  { flags: '-h, --help', help: 'show help' },
  { flags: '--plain', help: 'plain output: no colour, no box drawing' },
  { flags: '--no-color', help: 'no colour' },
];

/** What can be completed, from the catalogue: names, flags, and what their placeholders ask for. */
export function completedCommands(catalogue: readonly CommandRow[]): readonly CompletedCommand[] {
  const rows = catalogue.flatMap((row) => namesOf(row).map((name) => (name === row.name ? row : aliasOf(row, name))));
  const top = [...rows.filter(({ name }) => !name.includes(' ')), { name: 'help', summary: 'show help for a command' }];
  const root: CompletedCommand = {
    name: '',
    summary: '',
    subcommands: top.map(({ name, summary }) => ({ word: name, summary })),
    flags: [
      ...[...EVERYWHERE, { flags: '-v, --version', help: 'print the version' }].map(toFlag),
      ...rows.flatMap(({ rootFlag, name }) =>
        rootFlag === undefined ? [] : [toFlag({ flags: rootFlag, help: `the same as kmi ${name}` })],
      ),
    ],
    operands: [],
    after: [],
  };
  const help: CompletedCommand = {
    name: 'help',
    summary: 'show help for a command',
    subcommands: [],
    flags: [],
    operands: [{ kind: 'words', words: top.map(({ name }) => name) }, { kind: 'nothing' }],
    after: [],
  };
  return [root, ...rows.map((row) => toCommand(row, rows)), help];
}

/** A command under another name, which has no root flag. */
function aliasOf({ rootFlag: _flag, ...row }: CommandRow, name: string): CommandRow {
  return { ...row, name };
}

function toCommand(row: CommandRow, rows: readonly CommandRow[]): CompletedCommand {
  const { name, summary, args = '', options = [], passesThrough } = row;
  return {
    name,
    summary,
    subcommands: rows
      .filter((other) => other.name.startsWith(`${name} `))
      .map((other) => ({ word: other.name.slice(name.length + 1), summary: other.summary })),
    flags: passesThrough === 'everything' ? [] : [...options.filter(({ hidden }) => hidden !== true), ...EVERYWHERE].map(toFlag),
    operands: passesThrough === 'everything' ? [{ kind: 'files' }] : toOperands(args, passesThrough === 'command'),
    after: args.startsWith('<setting> [value') ? settingValues() : [],
  };
}

/** The values of settings, where they are words or files; settings with the same ones together. */
function settingValues(): CompletedCommand['after'] {
  const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);
  const sets = [...new Set(settings.map(({ words }) => words.join(' ')))].filter((words) => words !== '');
  const paths = settings.filter(({ accepts }) => accepts === PATH_WORDS);
  return [
    ...sets.map((set) => ({
      words: namesOfSettings(settings.filter(({ words }) => words.join(' ') === set)),
      value: { kind: 'words', words: set.split(' ') } as const,
    })),
    { words: namesOfSettings(paths), value: { kind: 'files' } },
  ];
}

function namesOfSettings(settings: readonly Setting<unknown>[]): readonly string[] {
  return settings.map(({ variable }) => variable);
}

function toOperands(args: string, isCommand: boolean): readonly Completed[] {
  if (isCommand) return [{ kind: 'command' }, { kind: 'files' }];
  const placeholders = args.match(/[<[][^>\]]+[>\]]/g) ?? [];
  const operands = placeholders.map(toCompleted);
  return placeholders.at(-1)?.includes('...') === true ? operands : [...operands, { kind: 'nothing' }];
}

function toFlag({ flags, help, values }: OptionRow): CompletedFlag {
  const placeholder = /[<[][^>\]]+[>\]]/.exec(flags)?.[0];
  const value = placeholder === undefined ? null : toCompleted(placeholder);
  return {
    names: flags.match(/--?[\w-]+/g) ?? [],
    help,
    value: values === undefined ? value : { kind: 'words', words: values },
  };
}

/** `<label>` asks for a key, `<request>` for one of the trace, `<setting>` for a setting, `<bash|zsh>` for one of these words, `<path>` for a file; anything else only the person knows. */
function toCompleted(placeholder: string): Completed {
  const name = placeholder.replace(/[<>[\].]/g, '');
  if (name.includes('|')) return { kind: 'words', words: name.split('|') };
  if (name === 'label' || name === 'labels') return { kind: 'labels' };
  if (name === 'setting') return { kind: 'words', words: SETTING_VARIABLES };
  if (name === 'request') return { kind: 'requests' };
  return { kind: name === 'path' || name === 'file' || name === 'folder' ? 'files' : 'nothing' };
}
