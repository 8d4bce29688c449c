import { createHash } from 'node:crypto';
import { fieldOf, recordOf } from '../core/json/json-value.ts';
import type { Key } from '../core/keys/key.ts';

/** Sends a GET the way the proxy sends its requests. Rejects when no answer comes. */
export type AccountGet = (
  url: string,
  options: { readonly signal: AbortSignal; readonly headers: Readonly<Record<string, string>> },
) => Promise<{ readonly status: number; readonly body: string }>;

const TIMEOUT_MS = 10_000;

/** Whose a credential is, as `GET /me` says it. */
export type Profile = {
  /** As `hashAccountId` names it. */
  readonly account: string;
  /** As they came; null when absent. For display, once they are cleaned. */
  readonly email: string | null;
  readonly nickname: string | null;
};

/** `status`: the answer's, when it names no account; null when no answer came. */
export type ProfileAnswer =
  | { readonly kind: 'known'; readonly profile: Profile }
  | { readonly kind: 'unknown'; readonly status: number | null };

/** Asks `GET /me` whose a credential is (docs/kimi-api.md#me). Never throws. */
export async function fetchProfile(
  key: Pick<Key, 'value' | 'baseUrl'>,
  get: AccountGet,
  signal?: AbortSignal,
): Promise<ProfileAnswer> {
  const headers = { authorization: `Bearer ${key.value}`, accept: 'application/json' };
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let status: number | null = null;
  try {
    const answer = await get(`${key.baseUrl}/me`, {
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    status = answer.status;
    const profile = status === 200 ? profileOf(JSON.parse(answer.body)) : null;
    return profile === null ? { kind: 'unknown', status } : { kind: 'known', profile };
  } catch {
    return { kind: 'unknown', status };
  }
}

function profileOf(body: unknown): Profile | null {
  const me = recordOf(body);
  const id = fieldOf(me, 'user_id', 'userId');
  if (!((typeof id === 'string' && id !== '') || typeof id === 'number')) return null;
  const text = (value: unknown) => (typeof value === 'string' && value.trim() !== '' ? value.trim() : null);
  return { account: hashAccountId(String(id)), email: text(fieldOf(me, 'email')), nickname: text(fieldOf(me, 'nickname')) };
}

/** The account a key belongs to, as `hashAccountId` names it; null when that cannot be learned. Never throws. */
export async function fetchAccountId(
  key: Pick<Key, 'value' | 'baseUrl'>,
  get: AccountGet,
  signal?: AbortSignal,
): Promise<string | null> {
  const answer = await fetchProfile(key, get, signal);
  return answer.kind === 'known' ? answer.profile.account : null;
}

/** The first 16 hex digits of the SHA-256 of the upstream's id: tells accounts apart where the id must not be kept. */
export function hashAccountId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 16);
}
