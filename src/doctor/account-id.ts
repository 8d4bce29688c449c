import { fieldOf, recordOf } from '../core/json-value.ts';
import type { Key } from '../core/key.ts';
import type { Get } from './reach.ts';

const TIMEOUT_MS = 10_000;

/** The account a key belongs to, by `GET /me` (kimi-api.md 3.5); null when that cannot be learned. Never throws. */
export async function fetchAccountId(key: Pick<Key, 'value' | 'baseUrl'>, get: Get): Promise<string | null> {
  const headers = { authorization: `Bearer ${key.value}`, accept: 'application/json' };
  try {
    const { status, body } = await get(`${key.baseUrl}/me`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (status !== 200) return null;
    const id = fieldOf(recordOf(JSON.parse(body)), 'user_id', 'userId');
    return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
  } catch {
    return null;
  }
}
