import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { KmiError, reasonOf } from '../errors.ts';
import { explainDenied } from '../files/access.ts';
import { NOT_TEXT } from '../files/text-bytes.ts';
import { cutNames } from './cut-values.ts';
import { mentionsUs, readEnvText } from './env-file.ts';
import { expandPath } from './expand-path.ts';
import { BadValue, PATH_WORDS, type Setting } from './kinds.ts';
import { readProxyToken, readSettingsFile, tokenPath } from './own-files.ts';
import { envFiles, findAuthsDir, type KeysOf, newEnvFile, type Places, placesOf, speaksToKmi } from './places.ts';
import { type Config, SETTINGS, type SettingName } from './settings.ts';
import { type BadSetting, badValues, bothOf, crossCheck, findStray, type SettingsProblem } from './settings-problem.ts';
import { findUnusedLines, findUnusedVariables, type Unused, WHY_CUT } from './unused.ts';
import { workingFolder } from './working-folder.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a value came from. `file` is an env file's path. */
export type Source =
  | { readonly kind: 'default' }
  | { readonly kind: 'environment' }
  | { readonly kind: 'file'; readonly file: string };

export type LoadedConfig = {
  readonly config: Config;
  readonly sources: { readonly [Name in SettingName]: Source };
  /** The env file that was read, or null. */
  readonly envFile: string | null;
  /** What was written for kmi, in that file or in the environment, and is not used. */
  readonly unused: readonly Unused[];
  /** Why the installation's client token cannot be used; `config` is then without one. */
  readonly tokenProblem: KmiError | null;
  /** Why the settings in `~/.kmi` are unknown: the folder is closed to this user. `config` is then without them. */
  readonly settingsProblem: KmiError | null;
  /** Where a setting is written: the env file that was read, else the one to make. */
  readonly settingsFile: string;
  /** A `.env` of the working folder that sets no variable of kmi's, so that another one counts; null: there is none. */
  readonly passedOver: string | null;
  /** The env file was found in the working folder, not named. */
  readonly isEnvFileOfFolder: boolean;
  readonly keysOf: KeysOf;
};

/** `here` leaves the home out. `edited` stands for what the file of that path holds. */
type LoadOptions = { readonly here?: boolean; readonly edited?: { readonly path: string; readonly text: string } };

/**
 * Reads the settings: a file named by `KMI_ENV_PATH` goes before the environment; a `.env` found in `cwd`, else in `~/.kmi`,
 * after it. Throws `bad_settings` naming every unacceptable value at once.
 */
export function loadConfig(environment?: Environment, cwd?: string, options?: LoadOptions): LoadedConfig {
  const { loaded, problem } = examineConfig(environment, cwd, options);
  if (problem !== null) throw problem.error;
  return loaded;
}

/**
 * Reads the settings as `loadConfig` does. Those that cannot be used have their defaults, for a command that mends them. Throws
 * `bad_settings` only for a file that cannot be read.
 */
export function examineConfig(
  environment: Environment = process.env,
  cwd: string = workingFolder().path,
  options: LoadOptions = {},
): { readonly loaded: LoadedConfig; readonly problem: SettingsProblem | null } {
  const places = placesOf(cwd, { ...options, environment });
  const {
    file: envFile,
    passedOver,
    unusedOfPassed,
    problem: settingsProblem,
  } = readEnvFile(environment, places, options.edited);
  const problems: BadSetting[] = [];
  const values: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};

  for (const [name, row] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const { text, source } = findText(row, environment, envFile);
    sources[name] = source;
    if (row.secret && isCut(row.variable, source, envFile)) {
      problems.push({ variable: row.variable, value: '(hidden)', accepts: `a whole value; the file's ${WHY_CUT}` });
      values[name] = defaultOf(name);
      continue;
    }
    try {
      values[name] = row.parse(text, environment);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      const accepts = error.message === '' ? row.accepts : `${row.accepts} (${error.message})`;
      problems.push({ variable: row.variable, value: row.secret ? '(hidden)' : text, accepts });
      values[name] = defaultOf(name);
    }
  }

  let keysOf: KeysOf = 'stated';
  if (values.authsDir === '') ({ path: values.authsDir, of: keysOf } = findAuthsDir(places));
  let tokenProblem: KmiError | null = null;
  if (values.proxyToken === '') {
    const token = readProxyToken(String(values.stateDir), { enforcePerms: values.enforceFilePerms === true });
    if (token instanceof KmiError) tokenProblem = token;
    else if (token !== null) {
      values.proxyToken = token;
      sources.proxyToken = { kind: 'file', file: tokenPath(String(values.stateDir)) };
    }
  }
  if ((environment.NO_COLOR ?? '') !== '') values.noColor = true;
  problems.push(...crossCheck(values as Config, new Set(problems.map(({ variable }) => variable))));
  const isOfFolder = (name: SettingName) => envFile?.isFound === true && sources[name]?.kind === 'file';
  const stray = findStray(values as Config, isOfFolder, envFile?.path ?? '', places);

  const loaded = Object.freeze({
    config: Object.freeze(values) as Config,
    sources: Object.freeze(sources) as LoadedConfig['sources'],
    envFile: envFile?.path ?? null,
    unused: Object.freeze([...unusedOfPassed, ...(envFile?.unused ?? []), ...findUnusedVariables(environment)]),
    tokenProblem,
    settingsProblem,
    settingsFile: envFile?.path ?? newEnvFile(places),
    passedOver,
    isEnvFileOfFolder: envFile?.isFound === true,
    keysOf,
  });
  return { loaded, problem: bothOf(problems.length === 0 ? null : badValues(problems, envFile?.path ?? null), stray) };
}

function defaultOf(name: SettingName): unknown {
  return SETTINGS[name].parse(SETTINGS[name].defaultText);
}

type EnvFile = {
  readonly path: string;
  readonly values: Environment;
  readonly beatsEnvironment: boolean;
  readonly unused: readonly Unused[];
  /** Variables whose value is not all of what was written. */
  readonly cut: readonly string[];
  /** It was found in the working folder, not named. */
  readonly isFound: boolean;
};

type FoundEnvFile = {
  readonly file: EnvFile | null;
  readonly passedOver: string | null;
  /** What that file was meant to say to kmi: a file whose only such lines are misspelt sets nothing of kmi's. */
  readonly unusedOfPassed: readonly Unused[];
  readonly problem: KmiError | null;
};

/** The one env file that counts, and the `.env` of the working folder when that is not kmi's. */
function readEnvFile(environment: Environment, places: Places, edited: LoadOptions['edited']): FoundEnvFile {
  const named = environment.KMI_ENV_PATH?.trim() ?? '';
  if (named !== '') {
    const path = expandPath(named, environment);
    if (path === null) throw badValues([{ variable: 'KMI_ENV_PATH', value: named, accepts: PATH_WORDS }], null).error;
    const read = readVariables(path, { isNamed: true, isOurs: true, edited });
    const file = read === null ? null : { path, ...read, beatsEnvironment: true, isFound: false };
    return { file, passedOver: null, unusedOfPassed: [], problem: null };
  }
  let passed: { passedOver: string | null; unusedOfPassed: readonly Unused[] } = { passedOver: null, unusedOfPassed: [] };
  for (const path of envFiles(places)) {
    const folder = dirname(path);
    const isFound = folder !== places.home;
    let read: Variables | null;
    try {
      read = readVariables(path, { isNamed: false, isOurs: !isFound, own: isFound ? path : folder, edited });
    } catch (error) {
      // A closed folder may hold a file; a folder that is out of reach holds none.
      if (isFound || !isClosed(folder) || !(error instanceof KmiError)) throw error;
      return { file: null, ...passed, problem: existsSync(folder) ? error : null };
    }
    if (read === null) continue;
    // The file in kmi's own folder is kmi's, whatever it says.
    if (!isFound || speaksToKmi(read.values))
      return { file: { path, ...read, beatsEnvironment: false, isFound }, ...passed, problem: null };
    passed = { passedOver: path, unusedOfPassed: read.unused.filter(({ name }) => /^kmi/i.test(name)) };
  }
  return { file: null, ...passed, problem: null };
}

function isClosed(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return false;
  } catch (error) {
    return reasonOf(error) === 'EACCES';
  }
}

type Variables = Pick<EnvFile, 'values' | 'unused' | 'cut'>;

/** What an env file says; null for one that is not there, unless it was named. `own` is what is given back when it is another's. */
function readVariables(
  path: string,
  { isNamed, isOurs, own = path, edited }: { isNamed: boolean; isOurs: boolean; own?: string; edited: LoadOptions['edited'] },
): Variables | null {
  try {
    const file = edited?.path === path ? { bytes: Buffer.from(edited.text), isForeign: false } : readSettingsFile(path);
    const env = readEnvText(file.bytes);
    if (!isNamed && file.isForeign) return refuseForeignSettings(path, env.values);
    if (!env.certain && (isNamed || mentionsUs(env))) throw unclearText(path);
    return { values: env.values, unused: findUnusedLines(path, env, isOurs), cut: cutNames(env.text, env.values) };
  } catch (error) {
    if (error instanceof KmiError) throw error;
    const reason = reasonOf(error);
    const denied = explainDenied(error, [own]);
    if (denied !== null) throw new KmiError('bad_settings', denied.text, { hint: denied.fix, cause: error });
    // A folder of that name is a Python environment.
    if (!isNamed && (reason === 'ENOENT' || reason === 'ENOTDIR' || reason === 'EISDIR')) return null;
    throw new KmiError('bad_settings', `The env file ${path} cannot be read (${reason}).`, {
      hint: isNamed ? 'Correct KMI_ENV_PATH or make the file readable.' : 'Make it readable or remove it.',
      cause: error,
    });
  }
}

/** A setting read in a wrong encoding could be another one, or none. A file that says nothing for kmi may be in any encoding. */
function unclearText(path: string): KmiError {
  return new KmiError('bad_settings', `The env file ${path} is ${NOT_TEXT}.`, {
    hint: "kmi's settings in it cannot be told for sure, so none is used.",
  });
}

/**
 * Who runs kmi in another user's folder must not take settings from there: an upstream of that user's would get the keys.
 * A file without our settings, such as a project's own `.env`, is nothing to us.
 */
function refuseForeignSettings(path: string, values: Environment): null {
  if (!Object.values(SETTINGS).some(({ variable }) => Object.hasOwn(values, variable))) return null;
  throw new KmiError('bad_settings', `The env file ${path} belongs to another user and sets kmi's settings.`, {
    hint: 'Run kmi in a folder of your own, or name a file with KMI_ENV_PATH.',
  });
}

function findText(row: Setting<unknown>, environment: Environment, envFile: EnvFile | null): { text: string; source: Source } {
  const fromEnvironment = { text: environment[row.variable], source: { kind: 'environment' } as Source };
  const fromFile = { text: envFile?.values[row.variable], source: { kind: 'file', file: envFile?.path ?? '' } as Source };
  const order = envFile?.beatsEnvironment === true ? [fromFile, fromEnvironment] : [fromEnvironment, fromFile];
  for (const { text, source } of order) {
    // An empty value is how a shell or an env file says "not set".
    if (text !== undefined && text.trim() !== '') return { text, source };
  }
  return { text: row.defaultText, source: { kind: 'default' } };
}

/** Half a secret is a wrong one. What the environment sets in the file's place is whole. */
function isCut(variable: string, source: Source, envFile: EnvFile | null): boolean {
  return envFile?.cut.includes(variable) === true && (source.kind !== 'environment' || envFile.beatsEnvironment);
}
