import { isAllowedHost, parseBaseUrl } from '../config/kinds.ts';
import type { Key } from '../core/key.ts';
import { findEmail } from './account-email.ts';
import type { UpstreamRules } from './auth-files.ts';
import { decodeUtf8, readBoundedFile } from './bounded-file.ts';
import { cleanPath, cleanText } from './display-text.ts';
import { hashKey, isSendable, trimKey } from './key-text.ts';
import { chooseProvider, providersOf } from './provider-choice.ts';
import { own, type Table } from './table.ts';

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

/** The account a Kimi client uses by its own config (docs/kmi-manager.md#current-account). Never throws. */
export async function readCurrentAccount(path: string, rules: UpstreamRules): Promise<CurrentAccount> {
  const read = await readBoundedFile(path);
  if ('problem' in read) {
    return read.code === 'ENOENT' ? { kind: 'missing' } : unusable(read.problem.detail);
  }
  const text = decodeUtf8(read.bytes);
  if (text === null) return unusable('The file is not UTF-8 text.');
  const { parseToml } = await import('./toml-text.ts');
  const toml = parseToml(text);
  if ('problem' in toml) return unusable(toml.problem);
  const name = chooseProvider(toml.data, rules.upstreamBaseUrl);
  if (name === null) return unusable('The file names no Kimi provider.');
  const provider = own(providersOf(toml.data), name) as Table;
  return accountOf(name, provider, findEmail(provider, toml.data), path, rules);
}

function accountOf(name: string, provider: Table, email: string | null, path: string, rules: UpstreamRules): CurrentAccount {
  const value = trimKey(textOf(provider, 'api_key'));
  const hasOauth = own(provider, 'oauth') !== undefined;
  if (value === '') {
    return unusable(hasOauth ? 'Its account is logged in without an API key.' : 'Its provider has no api_key.');
  }
  if (!isSendable(value)) return unusable('Its api_key cannot be sent in a request header.');
  const written = textOf(provider, 'base_url').trim() || rules.upstreamBaseUrl;
  const baseUrl = written.length > 2048 ? null : parseBaseUrl(written);
  if (baseUrl === null) return unusable('Its base_url is not a plain https:// address.');
  if (!isAllowedHost(baseUrl, rules.upstreamAllowlist)) {
    return unusable('Its base_url names a host that KMI_UPSTREAM_ALLOWLIST does not list.');
  }
  const hash = hashKey(value);
  const label = cleanText(name);
  const key = Object.freeze({
    label: label === '' || label.includes(value) ? `key-${hash}` : label,
    value,
    hash,
    baseUrl,
    priority: 0,
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
