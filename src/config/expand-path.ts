import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { isPrintableAscii } from '../core/text/ascii.ts';
import { homeFolder, knownHome } from './home-folder.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Lower case. The background proxy gets these handed down, so a path means the same to it as to the command that started it. */
export const PATH_VARIABLES: readonly string[] = [
  ...['home', 'userprofile', 'user', 'username', 'logname', 'tmpdir', 'temp', 'tmp', 'appdata', 'localappdata'],
  ...['xdg_config_home', 'xdg_data_home', 'xdg_state_home', 'xdg_cache_home', 'xdg_runtime_dir'],
];

/** `${NAME}`, `$NAME`, PowerShell's `$env:NAME`, cmd's `%NAME%`. */
const REFERENCE = /\$\{(?:env:)?([A-Za-z_]\w*)\}|\$(?:env:)?([A-Za-z_]\w*)|%([A-Za-z_]\w*)%/gi;
/** What is left of a reference in a form that is not expanded here, such as `${NAME:-default}` or `$(command)`. */
const UNEXPANDED = /\$[{(]|`/;

/**
 * An absolute path. No shell has read a `.env`, so `~` and variables are expanded here as a shell would: the home folder and
 * the system's variables for folders. Null for what cannot be: any other variable, one that is not set, another user's `~name`.
 * A folder of that literal name is never meant. Empty text stays empty.
 */
export function expandPath(value: string, environment: Environment = process.env): string | null {
  const text = withoutQuotes(value.trim());
  if (text === '') return '';
  let isKnown = true;
  const expanded = text.replace(REFERENCE, (_whole, braced, plain, percent) => {
    const found = lookUp(braced ?? plain ?? percent, environment);
    isKnown &&= found !== null;
    return found ?? '';
  });
  const path = isKnown && !UNEXPANDED.test(text.replace(REFERENCE, '')) ? expandHome(expanded, environment) : null;
  return path === null || isNoPath(path) ? null : resolve(path);
}

/** A URL, a path over several lines or, on other systems, one of Windows. */
function isNoPath(path: string): boolean {
  if (
    path.includes('"') ||
    (!isPrintableAscii(path) && /[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) ||
    /^[a-z][a-z0-9+.-]+:\/\//i.test(path)
  )
    return true;
  return process.platform !== 'win32' && (path.includes('\\') || /^[a-z]:\//i.test(path));
}

/** Values set by cmd's `set NAME="..."` keep their quotes, and so does `"$HOME"/.kmi` in an env file. */
function withoutQuotes(text: string): string {
  return (/^'[^']*'$/.test(text) ? text.slice(1, -1) : text.replace(/"([^"]*)"/g, '$1')).trim();
}

/** Set and not empty: an empty variable would turn `$NAME/kmi` into a folder at the root. */
function lookUp(name: string, environment: Environment): string | null {
  if (!PATH_VARIABLES.includes(name.toLowerCase())) return null;
  const value = environment[name] ?? '';
  if (value !== '') return value;
  return /^(?:HOME|USERPROFILE)$/i.test(name) ? knownHome(environment) : null;
}

function expandHome(path: string, environment: Environment): string | null {
  const [, name, rest] = /^~([^/\\]*)(.*)$/s.exec(path) ?? [];
  if (name === undefined || rest === undefined) return path;
  return name === '' || name === ownName() ? `${homeFolder(environment)}${rest}` : null;
}

/** Null where the system knows no name for the user, as in some containers. */
function ownName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}
