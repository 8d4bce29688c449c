import { createHash } from 'node:crypto';
import { fieldOf, recordOf } from '../core/json/json-value.ts';
import type { Key } from '../core/keys/key.ts';

/** Sends a GET the way the proxy sends its requests. Rejects when no answer comes. */
export type AccountGet = (
  url: string,
  options: { readonly signal: AbortSignal; readonly headers: Readonly<Record<string, string>> },
) => Promise<{ readonly status: number; readonly body: string }>;

const TIMEOUT_MS = 10_000;

/**
 * The account a key belongs to, by `GET /me` (docs/kimi-api.md#me), as `hashAccountId` names it; null when that cannot be
 * learned. Never throws.
 */
export async function fetchAccountId(
  key: Pick<Key, 'value' | 'baseUrl'>,
  get: AccountGet,
  signal?: AbortSignal,
): Promise<string | null> {
  const headers = { authorization: `Bearer ${key.value}`, accept: 'application/json' };
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const { status, body } = await get(`${key.baseUrl}/me`, {
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (status !== 200) return null;
    const id = fieldOf(recordOf(JSON.parse(body)), 'user_id', 'userId');
    return (typeof id === 'string' && id !== '') || typeof id === 'number' ? hashAccountId(String(id)) : null;
  } catch {
    return null;
  }
}

/** The first 16 hex digits of the SHA-256 of the upstream's id: tells accounts apart where the id must not be kept. */
export function hashAccountId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 16);
}
