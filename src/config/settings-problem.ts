import { KmiError } from '../errors.ts';
import { isAllowedHost } from './kinds.ts';
import { type Places, sendsKeysAstray } from './places.ts';
import { type Config, SETTINGS, type SettingName } from './settings.ts';

/** A value that cannot be used, or one that is missing. */
export type BadSetting = { readonly variable: string; readonly value: string; readonly accepts: string };

/** Settings that cannot be used, by their variables, and the error that says so. */
export type SettingsProblem = { readonly variables: readonly string[]; readonly error: KmiError };

/** Of two problems the first is said; what either is about is known. */
export function bothOf(first: SettingsProblem | null, second: SettingsProblem | null): SettingsProblem | null {
  if (first === null || second === null) return first ?? second;
  return { variables: [...first.variables, ...second.variables], error: first.error };
}

/** What the env file of a folder, which may be a project's, may not set. `isOfFolder`: that file sets it. */
export function findStray(
  config: Config,
  isOfFolder: (name: SettingName) => boolean,
  envFile: string,
  places: Places,
): SettingsProblem | null {
  const upstream = isOfFolder('upstreamBaseUrl') ? strayUpstream(config, envFile, places) : null;
  return bothOf(upstream, strayLogins(isOfFolder, envFile));
}

/** The keys would go to a host that the file names, and are kept outside of its folder. */
function strayUpstream({ upstreamBaseUrl, authsDir }: Config, envFile: string, { cwd }: Places): SettingsProblem | null {
  if (!sendsKeysAstray(upstreamBaseUrl, authsDir, cwd)) return null;
  const { host } = new URL(upstreamBaseUrl);
  const error = new KmiError('bad_settings', `The env file ${envFile} would send the keys in ${authsDir} to ${host}.`, {
    hint: 'A file in a project may not do that. If you intend it, set KMI_UPSTREAM_BASE_URL in ~/.kmi/.env or in the environment, or name the file with KMI_ENV_PATH.',
  });
  return { variables: [SETTINGS.upstreamBaseUrl.variable], error };
}

/** Where refresh tokens go is never for a project to say. */
const OF_LOGINS: readonly SettingName[] = ['oauthHost', 'oauthHostOverridesSlots'];

function strayLogins(isOfFolder: (name: SettingName) => boolean, envFile: string): SettingsProblem | null {
  const [variable, ...more] = OF_LOGINS.filter(isOfFolder).map((name) => SETTINGS[name].variable);
  if (variable === undefined) return null;
  const error = new KmiError('bad_settings', `The env file ${envFile} sets ${variable}, which says where logins are renewed.`, {
    hint: `A file in a project may not do that. If you intend it, set ${variable} in ~/.kmi/.env or in the environment, or name the file with KMI_ENV_PATH.`,
  });
  return { variables: [variable, ...more], error };
}

/** Rules between settings, as far as those are usable themselves. */
export function crossCheck(config: Config, unusable: ReadonlySet<string>): BadSetting[] {
  const problems: BadSetting[] = [];
  const canCheck = (...names: readonly SettingName[]) => names.every((name) => !unusable.has(SETTINGS[name].variable));
  if (canCheck('upstreamBaseUrl', 'upstreamAllowlist') && !isAllowedHost(config.upstreamBaseUrl, config.upstreamAllowlist)) {
    problems.push({
      variable: SETTINGS.upstreamBaseUrl.variable,
      value: config.upstreamBaseUrl,
      accepts: `a host in ${SETTINGS.upstreamAllowlist.variable} (${config.upstreamAllowlist.join(', ')})`,
    });
  }
  if (canCheck('proxyTlsCert', 'proxyTlsKey') && (config.proxyTlsCert === '') !== (config.proxyTlsKey === '')) {
    const missing = config.proxyTlsCert === '' ? SETTINGS.proxyTlsCert : SETTINGS.proxyTlsKey;
    const given = config.proxyTlsCert === '' ? SETTINGS.proxyTlsKey : SETTINGS.proxyTlsCert;
    problems.push({ variable: missing.variable, value: '', accepts: `a path, because ${given.variable} is set` });
  }
  return problems;
}

/** `envFile`: where they may be set, beside the environment. */
export function badValues(problems: readonly BadSetting[], envFile: string | null): SettingsProblem {
  const lines = problems.map(({ variable, value, accepts }) => `  ${variable}=${printable(value)}  accepted: ${accepts}`);
  const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`;
  const error = new KmiError('bad_settings', `${count} not usable:\n${lines.join('\n')}`, {
    hint:
      envFile === null
        ? 'Fix this in the environment.'
        : `Fix this with \`kmi config set\`, in ${envFile}, or in the environment.`,
  });
  return { variables: problems.map(({ variable }) => variable), error };
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
