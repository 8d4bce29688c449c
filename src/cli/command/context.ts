import { knownHome } from '../../config/home-folder.ts';
import type { LoadedConfig } from '../../config/load.ts';
import type { Config } from '../../config/settings.ts';
import { workingFolder } from '../../config/working-folder.ts';
import type { ProxyRecord } from '../../daemon/record.ts';
import { wrapProse } from '../ui/prose.ts';
import { createStyle, isAsciiOnly, type Style, wantsColor } from '../ui/style.ts';

/** The flags every command takes. */
export type OutputFlags = { readonly plain?: boolean; readonly color?: boolean };

/** What a command works with. Data goes to `out`, everything said about it to `err`. */
export type CommandContext = {
  readonly loaded: LoadedConfig;
  readonly config: Config;
  /** The running proxy whose settings `config` has (`running-proxy.ts`); null and undefined: it has this folder's. */
  readonly proxy?: ProxyRecord | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Null for a user without a home folder. */
  readonly home: string | null;
  /** Why `cwd` is not the folder kmi was called in; null when it is. */
  readonly cwdProblem: string | null;
  /** Writes a line to standard output. */
  readonly out: (line: string) => void;
  /** Writes a line to standard error; in a terminal it is wrapped at blanks. */
  readonly err: (line: string) => void;
  readonly style: Style;
  /** For lines on standard error. */
  readonly errStyle: Style;
  /** Columns of the terminal; 80 when there is none. */
  readonly width: number;
  readonly isTerminal: boolean;
};

/** A command: what it does, and its exit code. */
export type Command<Options> = (context: CommandContext, options: Options) => Promise<number>;

export function createContext(
  loaded: LoadedConfig,
  flags: OutputFlags,
  { environment = process.env, folder = workingFolder() } = {},
): CommandContext {
  const config: Config = Object.freeze({
    ...loaded.config,
    plain: loaded.config.plain || flags.plain === true,
    noColor: loaded.config.noColor || flags.color === false,
  });
  const columns = Number(environment.COLUMNS);
  // What goes to a pipe or file keeps its lines.
  const errWidth = process.stderr.isTTY === true ? (process.stderr.columns ?? 80) : Number.POSITIVE_INFINITY;
  const plain = loaded.config.plain || flags.plain === true || isAsciiOnly(environment);
  return {
    loaded,
    config,
    environment,
    cwd: folder.path,
    home: knownHome(environment),
    cwdProblem: folder.problem,
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${wrapProse(line, errWidth).join('\n')}\n`),
    style: createStyle({ color: wantsColor(config, process.stdout, environment), plain }),
    errStyle: createStyle({ color: wantsColor(config, process.stderr, environment), plain }),
    width: process.stdout.columns ?? (columns > 0 ? columns : 80),
    isTerminal: process.stdout.isTTY === true,
  };
}

/** Whether a live picture can be drawn: there is a terminal, and it can place a cursor. */
export function canShowScreen({ isTerminal, environment }: Pick<CommandContext, 'isTerminal' | 'environment'>): boolean {
  return isTerminal && environment.TERM !== 'dumb';
}
