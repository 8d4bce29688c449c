import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { KmiError, reasonOf } from '../errors.ts';
import { explainDenied } from '../files/access.ts';
import { NOT_TEXT } from '../files/text-bytes.ts';
import { cutNames } from './cut-values.ts';
import { mentionsUs, readEnvText } from './env-file.ts';
import { expandPath } from './expand-path.ts';
import { BadValue, isAllowedHost, PATH_WORDS, type Setting } from './kinds.ts';
import { readProxyToken, readSettingsFile, tokenPath } from './own-files.ts';
import {
  envFiles,
  findAuthsDir,
  type KeysOf,
  newEnvFile,
  type Places,
  placesOf,
  sendsKeysAstray,
  speaksToKmi,
} from './places.ts';
import { type Config, SETTINGS, type SettingName } from './settings.ts';
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

type Problem = { readonly variable: string; readonly value: string; readonly accepts: string };

/**
 * Reads the settings: a file named by `KMI_ENV_PATH` goes before the environment; a `.env` found in `cwd`, else in `~/.kmi`,
 * after it. With `here` the home is left out. Throws `bad_settings` naming every unacceptable value at once.
 */
export function loadConfig(
  environment: Environment = process.env,
  cwd: string = workingFolder().path,
  options: { readonly here?: boolean } = {},
): LoadedConfig {
  const places = placesOf(cwd, { ...options, environment });
  const { file: envFile, passedOver, unusedOfPassed, problem: settingsProblem } = readEnvFile(environment, places);
  const problems: Problem[] = [];
  const values: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};

  for (const [name, row] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const { text, source } = findText(row, environment, envFile);
    sources[name] = source;
    if (row.secret && isCut(row.variable, source, envFile)) {
      problems.push({ variable: row.variable, value: '(hidden)', accepts: `a whole value; the file's ${WHY_CUT}` });
      continue;
    }
    try {
      values[name] = row.parse(text, environment);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      const accepts = error.message === '' ? row.accepts : `${row.accepts} (${error.message})`;
      problems.push({ variable: row.variable, value: row.secret ? '(hidden)' : text, accepts });
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
  if (problems.length === 0) problems.push(...crossCheck(values as Config));
  if (problems.length > 0) throw badSettings(problems, envFile?.path ?? null);
  if (envFile?.isFound === true && sources.upstreamBaseUrl?.kind === 'file')
    refuseStrayUpstream(values as Config, envFile.path, places);
  if (envFile?.isFound === true) refuseStrayLogins(sources, envFile.path);

  return Object.freeze({
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
function readEnvFile(environment: Environment, places: Places): FoundEnvFile {
  const named = environment.KMI_ENV_PATH?.trim() ?? '';
  if (named !== '') {
    const path = expandPath(named, environment);
    if (path === null) throw badSettings([{ variable: 'KMI_ENV_PATH', value: named, accepts: PATH_WORDS }], null);
    const read = readVariables(path, { isNamed: true, isOurs: true });
    const file = read === null ? null : { path, ...read, beatsEnvironment: true, isFound: false };
    return { file, passedOver: null, unusedOfPassed: [], problem: null };
  }
  let passed: { passedOver: string | null; unusedOfPassed: readonly Unused[] } = { passedOver: null, unusedOfPassed: [] };
  for (const path of envFiles(places)) {
    const folder = dirname(path);
    const isFound = folder !== places.home;
    let read: Variables | null;
    try {
      read = readVariables(path, { isNamed: false, isOurs: !isFound, own: isFound ? path : folder });
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
  { isNamed, isOurs, own = path }: { isNamed: boolean; isOurs: boolean; own?: string },
): Variables | null {
  try {
    const file = readSettingsFile(path);
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

function refuseStrayUpstream({ upstreamBaseUrl, authsDir }: Config, envFile: string, { cwd }: Places): void {
  if (!sendsKeysAstray(upstreamBaseUrl, authsDir, cwd)) return;
  const { host } = new URL(upstreamBaseUrl);
  throw new KmiError('bad_settings', `The env file ${envFile} would send the keys in ${authsDir} to ${host}.`, {
    hint: 'A file in a project may not do that. If you intend it, set KMI_UPSTREAM_BASE_URL in ~/.kmi/.env or in the environment, or name the file with KMI_ENV_PATH.',
  });
}

/** Where refresh tokens go is never for a project to say. */
const OF_LOGINS: readonly SettingName[] = ['oauthHost', 'oauthHostOverridesSlots'];

function refuseStrayLogins(sources: Readonly<Record<string, Source>>, envFile: string): void {
  const name = OF_LOGINS.find((setting) => sources[setting]?.kind === 'file');
  if (name === undefined) return;
  const { variable } = SETTINGS[name];
  throw new KmiError('bad_settings', `The env file ${envFile} sets ${variable}, which says where logins are renewed.`, {
    hint: `A file in a project may not do that. If you intend it, set ${variable} in ~/.kmi/.env or in the environment, or name the file with KMI_ENV_PATH.`,
  });
}

/** Rules between settings. */
function crossCheck(config: Config): Problem[] {
  const problems: Problem[] = [];
  if (!isAllowedHost(config.upstreamBaseUrl, config.upstreamAllowlist)) {
    problems.push({
      variable: SETTINGS.upstreamBaseUrl.variable,
      value: config.upstreamBaseUrl,
      accepts: `a host in ${SETTINGS.upstreamAllowlist.variable} (${config.upstreamAllowlist.join(', ')})`,
    });
  }
  if ((config.proxyTlsCert === '') !== (config.proxyTlsKey === '')) {
    const missing = config.proxyTlsCert === '' ? SETTINGS.proxyTlsCert : SETTINGS.proxyTlsKey;
    const given = config.proxyTlsCert === '' ? SETTINGS.proxyTlsKey : SETTINGS.proxyTlsCert;
    problems.push({ variable: missing.variable, value: '', accepts: `a path, because ${given.variable} is set` });
  }
  return problems;
}

function badSettings(problems: readonly Problem[], envFile: string | null): KmiError {
  const lines = problems.map(({ variable, value, accepts }) => `  ${variable}=${printable(value)}  accepted: ${accepts}`);
  const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`;
  return new KmiError('bad_settings', `${count} not usable:\n${lines.join('\n')}`, {
    hint: envFile === null ? 'Fix this in the environment.' : `Fix this in ${envFile} or in the environment.`,
  });
}

/** One line, without control characters and passwords in URLs, at most 80 characters. */
function printable(value: string): string {
  const clean = withoutUserinfo(value)
    .slice(0, 200)
    .replace(/[\p{Cc}\p{Cf}]/gu, '?');
  return clean.length > 80 ? `${clean.slice(0, 77)}...` : clean;
}

/** Everything between the first `//` and the last `@`: a password may hold any character, and the text is no good URL anyway. */
function withoutUserinfo(value: string): string {
  const start = value.indexOf('//');
  const end = value.lastIndexOf('@');
  return start === -1 || end < start ? value : `${value.slice(0, start)}//***${value.slice(end)}`;
}
