import { STRATEGIES } from '../../core/choosing/strategy.ts';
import { listed } from '../../core/text/listed.ts';
import type { Command } from './context.ts';

export type OptionRow = {
  /** As commander reads it: "-n, --lines <count>". In `<...>`: `label` and `a|b|c` are completed by the shell, `path`, `file` and `folder` as files. */
  readonly flags: string;
  readonly help: string;
  readonly default?: string | boolean;
  /** What its value can be, for completion, where naming them in `flags` would take too much room. */
  readonly values?: readonly string[];
  /** Understood, but not shown. */
  readonly hidden?: boolean;
};

/** One command: from its row come the parser, `--help`, the table in docs/commands.md and shell completion. */
export type CommandRow = {
  /** Words after `kmi`: "rotate auto". */
  readonly name: string;
  /** Other words for the same: names people guess, in full ("keys ls"). */
  readonly aliases?: readonly string[];
  readonly args?: string;
  /** The heading it stands under in `kmi --help`; only for commands of one word. */
  readonly group?: string;
  readonly summary: string;
  /** Further text of `--help`: behaviour worth knowing. Wrapped to the terminal; a blank line parts paragraphs, indented lines stay as they are. */
  readonly details?: string;
  readonly examples: readonly string[];
  /** Where they say more than that it worked or not. */
  readonly exitCodes?: readonly (readonly [code: number, meaning: string])[];
  readonly options?: readonly OptionRow[];
  /** Its twin among the root flags: "--status". */
  readonly rootFlag?: string;
  /** A further spelling of the root flag. */
  readonly rootFlagAlias?: string;
  /** What follows belongs to another program: all of it, or from the command named on. No option is read there. */
  readonly passesThrough?: 'everything' | 'command';
  /** It needs no client token, so one that cannot be read is no reason to stop. */
  readonly withoutToken?: true;
  /** It shows or ends what is there, so settings that cannot be read are left out and said. Without it, they stop the command. */
  readonly withoutSettings?: true;
  /** It mends settings, so those that cannot be used are at their defaults in its context. Without it, they stop the command. */
  readonly mendsSettings?: true;
  /** It reports how files lie on the disk and leaves them so. */
  readonly onlyLooks?: true;
  /** Whose settings it goes by: the running proxy's, or those of the key files in question. Without it, this folder's. */
  readonly settingsOf?: 'proxy' | 'keys';
  readonly load: () => Promise<{ readonly run: Command<never> }>;
};

/** Every name a command goes by, its own first. */
export function namesOf({ name, aliases = [] }: Pick<CommandRow, 'name' | 'aliases'>): readonly string[] {
  return [name, ...aliases];
}

export const JSON_OPTION: OptionRow = {
  flags: '--json',
  help: 'data for scripts: one JSON value on standard output, nothing else',
};

export const HERE_OPTION: OptionRow = { flags: '--here', help: 'write into this folder, `.env` and `_auths`, not into `~/.kmi`' };

export const YES_OPTION: OptionRow = { flags: '-y, --yes', help: 'do not ask' };

export const STRATEGY_OPTION: OptionRow = {
  flags: '--strategy <name>',
  help: `${listed(STRATEGIES, 'or')}; default: no change`,
  values: STRATEGIES,
};
