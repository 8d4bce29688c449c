import { EVENTS } from '../../core/failover/next-step.ts';
import { ConnectFailure } from '../../core/network/connect-failure.ts';
import type { PoolEntry } from '../pool/pool-entry.ts';
import type { TokenOutcome } from '../ports.ts';
import type { JudgedResult } from './attempt-outcome.ts';
import type { KeptError } from './endings.ts';
import type { ExchangeParts } from './exchange-parts.ts';

/** A key has no access token that serves: what that means for it, and what a client is told when nothing was sent. */
export type TokenLost = { readonly judged: JudgedResult; readonly error: KeptError | null };

/** The request keeps its place among those of the account while it waits; after an attempt it takes it once more. */
async function held<Value>(
  pool: ExchangeParts['pool'],
  entry: PoolEntry,
  isHeld: boolean,
  startedAt: number,
  work: () => Promise<Value>,
): Promise<Value> {
  if (!isHeld) pool.began(entry);
  try {
    return await work();
  } finally {
    pool.ended(entry, startedAt);
  }
}

/** The key can be asked. */
type TokenThere = typeof EVENTS.tokenRenewed | typeof EVENTS.tokenAdopted;

/**
 * Gets the login of a key another access token. `token` is the one it had; `refused`, the answer that refused it, or null when
 * its time was up and nothing was sent.
 */
export async function renewToken(
  { pool, clock }: Pick<ExchangeParts, 'pool' | 'clock'>,
  entry: PoolEntry,
  token: string | null,
  refused: JudgedResult | null,
): Promise<TokenLost | TokenThere> {
  const came = await held(pool, entry, refused === null, clock(), () => pool.renewToken(entry, refused === null ? null : token));
  if (came === 'renewed') return EVENTS.tokenRenewed;
  if (came === 'adopted') return EVENTS.tokenAdopted;
  // The upstream refused another token too, so the refusal is about the account. A token that nobody renews is asked as it is.
  if (came === 'no-help') return refused === null ? EVENTS.tokenRenewed : { judged: refused, error: null };
  return refused === null ? unsent(came, entry, clock()) : { judged: after(came, refused), error: null };
}

type Lost = Exclude<TokenOutcome, 'renewed' | 'adopted' | 'no-help'>;

/** The authorisation server may be away for this login alone: the key is on cooldown only if another one serves the request. */
const VERDICTS = { over: 'login-over', failed: 'refused' } as const;

function after(came: Lost, { outcome }: JudgedResult): JudgedResult {
  const verdict = VERDICTS[came];
  const event = { kind: 'answered', verdict, isPenalized: came === 'over', isLasting: false } as const;
  return { outcome: { ...outcome, verdict }, event, deadEnd: null };
}

function unsent(came: Lost, { key: { label, baseUrl } }: PoolEntry, startedAt: number): TokenLost {
  const verdict = VERDICTS[came];
  const outcome = { verdict, status: null, retryAfterMs: null, windowMs: null, namesReason: true, startedAt, isUnsent: false };
  const event = { kind: 'token-lost', verdict } as const;
  const text = came === 'over' ? `The login of ${label} has expired.` : `The login of ${label} could not be renewed.`;
  const error = new ConnectFailure(text, 'See `kmi doctor`.');
  return { judged: { outcome, event, deadEnd: null }, error: { error, origin: new URL(baseUrl).origin } };
}
