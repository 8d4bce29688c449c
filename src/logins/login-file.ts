import { isAbsolute } from 'node:path';
import { parseBaseUrl } from '../config/base-url.ts';
import { fieldOf, type JsonRecord, parseJson, recordOf } from '../core/json/json-value.ts';
import { LOGIN_KINDS, REGION_NAMES } from '../core/keys/key.ts';
import { oneLine } from '../core/text/one-line.ts';
import { type Login, parseOauthHost, type TokenPair } from './login.ts';
import { recordOfTokens, tokensOf } from './token-pair.ts';

/** What the file of a login says. `tokens`: those of an own login; null for a client's, which are in the client's file. */
export type LoginFile = { readonly login: Login; readonly tokens: TokenPair | null };

const VERSION = 1;
const LONGEST_LABEL = 80;
const LONGEST_EMAIL = 254;

export function renderLogin({ login, tokens }: LoginFile): string {
  const record = {
    version: VERSION,
    id: login.id,
    label: login.label,
    kind: login.kind,
    region: login.region,
    oauth_host: login.oauthHost,
    base_url: login.baseUrl,
    account: login.account,
    email: login.email,
    priority: login.priority,
    weight: login.weight,
    disabled: login.disabled,
    created_at: login.createdAt,
    refused: login.refused,
    file: login.file,
    ...(tokens === null ? {} : { tokens: recordOfTokens(tokens) }),
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Only kmi writes these files: whatever is not as it writes it is a problem, one sentence without text of the file. */
export function parseLogin(text: string, id: string): LoginFile | { readonly problem: string } {
  const record = recordOf(parseJson(text));
  if (record === null) return broken('It is not a JSON object');
  const version = fieldOf(record, 'version');
  if (version !== VERSION) return { problem: 'The login was written by another version of kmi.' };
  const field = new Fields(record);
  const kind = field.one('kind', isOneOf(LOGIN_KINDS));
  const isOwn = kind === 'own';
  const login: Login = Object.freeze({
    id: field.one('id', (value) => (value === id ? id : null)),
    label: field.one('label', (value) => lineOf(value, LONGEST_LABEL)),
    kind,
    region: field.one('region', isOneOf(REGION_NAMES)),
    oauthHost: field.one('oauth_host', (value) => (typeof value === 'string' ? parseOauthHost(value) : null)),
    baseUrl: field.one('base_url', (value) => (typeof value === 'string' ? parseBaseUrl(value) : null)),
    account: field.orNull('account', (value) => matching(value, /^[\w.:-]{1,64}$/)),
    email: field.orNull('email', (value) => lineOf(value, LONGEST_EMAIL)),
    priority: field.one('priority', (value) => wholeNumber(value, -1e15, 1e15)),
    weight: field.one('weight', (value) => wholeNumber(value, 1, 1000)),
    disabled: field.one('disabled', (value) => (typeof value === 'boolean' ? value : null)),
    createdAt: field.one('created_at', (value) => wholeNumber(value, 0, 1e12)),
    refused: field.orNull('refused', (value) => matching(value, /^[0-9a-f]{12}$/)),
    file: isOwn
      ? field.orNull('file', () => null)
      : field.one('file', (value) => (typeof value === 'string' && isAbsolute(value) ? value : null)),
  });
  const tokens = isOwn ? field.one('tokens', ownTokens) : null;
  const [wrong] = field.wrong;
  return wrong === undefined ? Object.freeze({ login, tokens }) : broken(`Its ${wrong} is not as kmi writes it`);
}

function broken(what: string): { readonly problem: string } {
  return { problem: `${what}; log in again with \`kmi login\` and remove the file.` };
}

/** Reads the fields of a record and remembers which of them are wrong; the values of wrong fields are never used. */
class Fields {
  readonly #record: JsonRecord;
  readonly wrong: string[] = [];

  constructor(record: JsonRecord) {
    this.#record = record;
  }

  one<Value>(name: string, parse: (value: unknown) => Value | null): Value {
    const value = parse(fieldOf(this.#record, name));
    if (value === null) this.wrong.push(name);
    return value as Value;
  }

  orNull<Value>(name: string, parse: (value: unknown) => Value | null): Value | null {
    return fieldOf(this.#record, name) === undefined ? null : this.one(name, parse);
  }
}

function isOneOf<Name extends string>(names: readonly Name[]): (value: unknown) => Name | null {
  return (value) => names.find((name) => name === value) ?? null;
}

function lineOf(value: unknown, longest: number): string | null {
  return typeof value === 'string' && value !== '' && oneLine(value, longest) === value ? value : null;
}

function matching(value: unknown, pattern: RegExp): string | null {
  return typeof value === 'string' && pattern.test(value) ? value : null;
}

function wholeNumber(value: unknown, min: number, max: number): number | null {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max ? (value as number) : null;
}

/** An own login always has both tokens. */
function ownTokens(value: unknown): TokenPair | null {
  const record = recordOf(value);
  const tokens = record === null ? null : tokensOf(record);
  return tokens === null || tokens.accessToken === '' || tokens.refreshToken === '' ? null : tokens;
}
