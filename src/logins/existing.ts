import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { parseBaseUrl } from '../config/base-url.ts';
import type { Region } from '../core/keys/key.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { textOf } from '../files/text-bytes.ts';
import { isTable, own, type Table } from '../files/toml-table.ts';
import { type ClientLogin, isPairOver, parseOauthHost, REGIONS } from './login.ts';
import { readCredential } from './login-store.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type ExistingLogin = ClientLogin & {
  /** It can serve no more: refused, broken, or one of kimi-cli past its time. */
  readonly isOver: boolean;
};

/** What keeps kmi from using what is there: one or two sentences without a secret. */
export type ExistingProblem = { readonly problem: string };

/**
 * The login of Kimi Code, else that of kimi-cli; null when neither has one. `home`: of the user, null when there is none. Reads the
 * clients' configs and credential files, writes nothing.
 */
export async function findExistingLogin(
  environment: Environment,
  home: string | null,
  now: number = Date.now(),
): Promise<ExistingLogin | ExistingProblem | null> {
  return (await findKimiCode(environment, home)) ?? (await findKimiCli(environment, home, now));
}

/** docs/kimi-api.md#oauth-files */
const PROVIDER = 'managed:kimi-code';
const DEFAULT_SLOT = 'kimi-code';
const CHINA = REGIONS['mainland-cn'];

/** docs/kimi-api.md#finding-a-login */
async function findKimiCode(environment: Environment, home: string | null): Promise<ExistingLogin | ExistingProblem | null> {
  const folder = folderOf(environment.KIMI_CODE_HOME, home, '.kimi-code');
  if (folder === null) return null;
  const config = await readConfig(join(folder, 'config.toml'));
  if ('problem' in config) return { problem: `The config of Kimi Code cannot be read. ${config.problem}` };
  const { baseUrl, oauth } = config;
  const host = textIn(oauth, 'oauth_host');
  const fromEnvironment = {
    oauthHost: environment.KIMI_CODE_OAUTH_HOST || environment.KIMI_OAUTH_HOST,
    baseUrl: environment.KIMI_CODE_BASE_URL,
  };
  const isOverridden = Boolean(fromEnvironment.oauthHost || fromEnvironment.baseUrl);
  const at = {
    oauthHost: (isOverridden ? fromEnvironment.oauthHost : host) || CHINA.oauthHost,
    baseUrl: fromEnvironment.baseUrl || baseUrl || CHINA.baseUrl,
  };
  const named = isOverridden ? null : slotOfKey(textIn(oauth, 'key'));
  for (const slot of new Set([slotOf(at), named ?? slotOf(at)])) {
    const file = join(folder, 'credentials', `${slot}.json`);
    const credential = await readCredential(file);
    if (credential.kind === 'missing') continue;
    if (credential.kind === 'unreadable')
      return { problem: `The login of Kimi Code is out of reach. ${credential.problem.detail}` };
    const addresses = checked(at);
    if (addresses === null) return { problem: 'The config of Kimi Code names an address that is no https:// address of an API.' };
    return { kind: 'kimi-code', file, ...addresses, isOver: credential.kind !== 'pair' };
  }
  if (textIn(oauth, 'storage') === 'keyring') {
    return { problem: "Kimi Code keeps its login in the system's keyring, where kmi cannot use it." };
  }
  return null;
}

/** docs/kimi-api.md#kimi-cli */
async function findKimiCli(
  environment: Environment,
  home: string | null,
  now: number,
): Promise<ExistingLogin | ExistingProblem | null> {
  const folder = folderOf(environment.KIMI_SHARE_DIR, home, '.kimi');
  if (folder === null) return null;
  const file = join(folder, 'credentials', 'kimi-code.json');
  const credential = await readCredential(file);
  if (credential.kind === 'missing') return null;
  if (credential.kind === 'unreadable') return { problem: `The login of kimi-cli is out of reach. ${credential.problem.detail}` };
  const config = await readConfig(join(folder, 'config.toml'));
  const addresses = checked({
    oauthHost: environment.KIMI_CODE_OAUTH_HOST || environment.KIMI_OAUTH_HOST || CHINA.oauthHost,
    baseUrl: environment.KIMI_CODE_BASE_URL || ('problem' in config ? null : config.baseUrl) || CHINA.baseUrl,
  });
  if (addresses === null) return { problem: 'The config of kimi-cli names an address that is no https:// address of an API.' };
  return { kind: 'kimi-cli', file, ...addresses, isOver: credential.kind !== 'pair' || isPairOver(credential.tokens, now) };
}

function folderOf(variable: string | undefined, home: string | null, name: string): string | null {
  if (variable !== undefined && variable !== '') return resolve(variable);
  return home === null ? null : join(home, name);
}

type ManagedProvider = { readonly baseUrl: string | null; readonly oauth: Table };

/** What a client's config says of its own login. */
async function readConfig(path: string): Promise<ManagedProvider | ExistingProblem> {
  const read = await readBoundedFile(path);
  if ('problem' in read) return read.code === 'ENOENT' ? { baseUrl: null, oauth: {} } : { problem: read.problem.detail };
  const { parseToml } = await import('../files/toml-text.ts');
  const toml = parseToml(textOf(read.bytes) ?? '\0');
  if ('problem' in toml) return toml;
  const provider = tableIn(tableIn(toml.data, 'providers'), PROVIDER);
  return { baseUrl: textIn(provider, 'base_url'), oauth: tableIn(provider, 'oauth') };
}

function tableIn(table: Table, name: string): Table {
  const value = own(table, name);
  return isTable(value) ? value : {};
}

function textIn(table: Table, name: string): string | null {
  const value = own(table, name);
  return typeof value === 'string' && value.trim() !== '' ? value : null;
}

type Addresses = { readonly oauthHost: string; readonly baseUrl: string };

/** The slot that Kimi Code itself uses for these addresses (docs/kimi-api.md#oauth-files). */
function slotOf(addresses: Addresses): string {
  const [oauthHost, baseUrl] = [addresses.oauthHost, addresses.baseUrl].map(withoutSlashes) as [string, string];
  if (oauthHost === CHINA.oauthHost && baseUrl === CHINA.baseUrl) return DEFAULT_SLOT;
  return `kimi-code-env-${createHash('sha256').update(JSON.stringify({ oauthHost, baseUrl })).digest('hex').slice(0, 16)}`;
}

/** `oauth/<slot>`; null for what is no name of a file in one folder. */
function slotOfKey(key: string | null): string | null {
  const slot = key?.replace(/^oauth\//, '') ?? '';
  return /^\w[\w.-]{0,100}$/.test(slot) ? slot : null;
}

function withoutSlashes(text: string): string {
  return text.trim().replace(/\/+$/, '');
}

/** Null when a token must not be sent to one of them. */
function checked(addresses: Addresses): (Addresses & { readonly region: Region }) | null {
  const [oauthHost, baseUrl] = [parseOauthHost(addresses.oauthHost), parseBaseUrl(addresses.baseUrl)];
  if (oauthHost === null || baseUrl === null) return null;
  const isGlobal = oauthHost === REGIONS.global.oauthHost || baseUrl === REGIONS.global.baseUrl;
  return { oauthHost, baseUrl, region: isGlobal ? 'global' : 'mainland-cn' };
}
