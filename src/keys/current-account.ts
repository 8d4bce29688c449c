import { isAllowedHost, isLoopbackHost, parseBaseUrl } from '../config/kinds.ts';
import { DEFAULT_WEIGHT, type Key } from '../core/keys/key.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { textOf as decode, NOT_TEXT } from '../files/text-bytes.ts';
import { own, type Table } from '../files/toml-table.ts';
import { findEmail } from './account-email.ts';
import type { UpstreamRules } from './auth-files.ts';
import { cleanPath, cleanText } from './display-text.ts';
import { hashKey, isSendable, problemOfKey } from './key-text.ts';
import { apiKeyOf, chooseProvider, providersOf } from './provider-choice.ts';

export type CurrentAccount =
  | {
      readonly kind: 'found';
      /** Labelled with the provider's name, which need not be a label of the registry; compare by `hash`. */
      readonly key: Key;
      readonly provider: string;
      readonly hasOauth: boolean;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unusable'; readonly problem: string };

/** The account a Kimi client uses by its own config. Never throws. */
export async function readCurrentAccount(path: string, rules: UpstreamRules): Promise<CurrentAccount> {
  const read = await readBoundedFile(path);
  if ('problem' in read) {
    return read.code === 'ENOENT' ? { kind: 'missing' } : unusable(read.problem.detail);
  }
  const text = decode(read.bytes);
  if (text === null) return unusable(`The file is ${NOT_TEXT}.`);
  const { parseToml } = await import('../files/toml-text.ts');
  const toml = parseToml(text);
  if ('problem' in toml) return unusable(toml.problem);
  const name = chooseProvider(toml.data, rules.upstreamBaseUrl);
  if (name === null) return unusable('The file names no Kimi provider.');
  const provider = own(providersOf(toml.data), name) as Table;
  return accountOf(name, provider, findEmail(provider, toml.data), path, rules);
}

function accountOf(name: string, provider: Table, email: string | null, path: string, rules: UpstreamRules): CurrentAccount {
  const value = apiKeyOf(provider);
  const hasOauth = own(provider, 'oauth') !== undefined;
  if (value === '') {
    return unusable(hasOauth ? 'Its account is logged in without an API key.' : 'Its provider has no api_key.');
  }
  const written = textOf(provider, 'base_url').trim() || rules.upstreamBaseUrl;
  const baseUrl = written.length > 2048 ? null : parseBaseUrl(written);
  if (baseUrl === null) return unusable('Its base_url is not a plain https:// address.');
  if (!isAllowedHost(baseUrl, rules.upstreamAllowlist)) {
    return unusable('Its base_url names a host that KMI_UPSTREAM_ALLOWLIST does not list.');
  }
  // A proxy on this machine, such as this one, may take any word for a key.
  const isNear = isLoopbackHost(new URL(baseUrl).hostname) && isSendable(value);
  const wrong = isNear ? null : problemOfKey(value, baseUrl);
  if (wrong !== null) return unusable(wrong.detail);
  const hash = hashKey(value);
  const label = cleanText(name);
  const key = Object.freeze({
    label: label === '' || label.includes(value) ? `key-${hash}` : label,
    value,
    hash,
    baseUrl,
    priority: 0,
    weight: DEFAULT_WEIGHT,
    disabled: false,
    email,
    source: cleanPath(path),
  });
  return { kind: 'found', key, provider: name, hasOauth };
}

function textOf(table: Table, name: string): string {
  const value = own(table, name);
  return typeof value === 'string' ? value : '';
}

function unusable(problem: string): CurrentAccount {
  return { kind: 'unusable', problem };
}
