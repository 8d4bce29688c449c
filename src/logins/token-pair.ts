import { fieldOf, type JsonRecord, parseJson, recordOf } from '../core/json/json-value.ts';
import type { TokenPair } from './login.ts';

/**
 * A Kimi client's credential file, by docs/kimi-api.md#oauth-files. A tombstone is what a client leaves of a login that was refused;
 * `broken`: no JSON, which counts as no login.
 */
export type Credential = { readonly kind: 'pair'; readonly tokens: TokenPair } | { readonly kind: 'tombstone' | 'broken' };

export function parseCredential(text: string): Credential {
  const record = recordOf(parseJson(text));
  const tokens = record === null ? null : tokensOf(record);
  if (tokens === null) return { kind: 'broken' };
  return tokens.accessToken === '' ? { kind: 'tombstone' } : { kind: 'pair', tokens };
}

/** The text of a credential file in the form that Kimi Code gives it (docs/kimi-api.md#oauth-files). */
export function renderCredential(tokens: TokenPair): string {
  return `${JSON.stringify(recordOfTokens(tokens), null, 2)}\n`;
}

/** A pair from its fields in a file; what is missing is empty, as to the clients. Null when a token could not be sent in a header. */
export function tokensOf(record: JsonRecord): TokenPair | null {
  const [accessToken, refreshToken, scope, tokenType] = ['access_token', 'refresh_token', 'scope', 'token_type'].map((name) => {
    const value = fieldOf(record, name);
    return typeof value === 'string' ? value : '';
  }) as [string, string, string, string];
  if (![accessToken, refreshToken].every((token) => token === '' || isSendableToken(token))) return null;
  const expiresAt = secondsOf(fieldOf(record, 'expires_at'));
  return Object.freeze({
    accessToken,
    refreshToken,
    // Whole seconds also of kimi-cli, which writes fractions (docs/kimi-api.md#kimi-cli).
    expiresAt: expiresAt === null ? null : Math.floor(expiresAt),
    expiresIn: secondsOf(fieldOf(record, 'expires_in')),
    scope,
    tokenType,
  });
}

/** The fields of a pair in a file, in Kimi Code's order. */
export function recordOfTokens({ accessToken, refreshToken, expiresAt, expiresIn, scope, tokenType }: TokenPair): JsonRecord {
  return {
    access_token: accessToken,
    refresh_token: refreshToken,
    expires_at: expiresAt ?? 0,
    scope,
    token_type: tokenType,
    expires_in: expiresIn ?? 0,
  };
}

const LONGEST_TOKEN = 16 * 1024;

/** Visible ASCII without blanks, as a header and a form take it. */
export function isSendableToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_TOKEN && /^[\x21-\x7e]+$/.test(value);
}

/** Null for zero, which stands for "no end", and for what is no number. */
function secondsOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 && value < 1e12 ? value : null;
}
