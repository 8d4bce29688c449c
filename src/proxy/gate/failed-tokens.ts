import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../core/text/time.ts';
import { KmiError } from '../../errors.ts';
import type { RequestHead } from '../http/headers.ts';
import type { Guard } from './access.ts';

/** Different wrong tokens an address may try before it is made to wait. */
const FREE_GUESSES = 10;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** An address that has been quiet for this long begins anew. */
const FORGET_MS = 15 * 60_000;
/** Addresses remembered; the one that failed longest ago makes room. */
const ADDRESSES_MAX = 1_000;

type Offender = { readonly guesses: Set<string>; waits: number; until: number; failedAt: number };

/**
 * Slows down an address that guesses at the client token: after 10 different wrong ones it waits 1 s, then 2 s, up to a
 * minute after each further one; meanwhile every token is refused unseen with 429, or a guess could be told from its
 * answer. The same wrong token again, or none, is no guess: a client that is set up wrongly locks nobody out.
 */
export class FailedTokens {
  readonly #clock: Clock;
  readonly #offenders = new Map<string, Offender>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds the address has to wait; 0 lets it try. */
  waitMs(address: string): number {
    if (this.#offenders.size === 0) return 0;
    const offender = this.#offenders.get(address);
    return offender === undefined ? 0 : Math.min(Math.max(0, offender.until - this.#clock()), LONGEST_WAIT_MS);
  }

  /** `presented`: all that was sent as a token; empty when nothing was. */
  failed(address: string, presented: string): void {
    if (presented === '') return;
    const now = this.#clock();
    const before = this.#offenders.get(address);
    const isOver = before === undefined || Math.abs(now - before.failedAt) > FORGET_MS;
    const offender = isOver ? { guesses: new Set<string>(), waits: 0, until: 0, failedAt: now } : before;
    offender.failedAt = now;
    // Moved to the end: the first of the map is the one that failed longest ago.
    this.#offenders.delete(address);
    this.#offenders.set(address, offender);
    const oldest = this.#offenders.keys().next();
    if (this.#offenders.size > ADDRESSES_MAX && oldest.done !== true) this.#offenders.delete(oldest.value);

    const guess = createHash('sha256').update(presented).digest('base64url').slice(0, 16);
    if (offender.guesses.has(guess)) return;
    if (offender.guesses.size < FREE_GUESSES) offender.guesses.add(guess);
    if (offender.guesses.size < FREE_GUESSES) return;
    offender.until = now + Math.min(FIRST_WAIT_MS * 2 ** offender.waits, LONGEST_WAIT_MS);
    offender.waits = Math.min(offender.waits + 1, 16);
  }
}

/** The guard with guesses slowed down: throws `rate_limited` in place of asking it while the address has to wait. */
export function slowGuesses(guard: Guard, failures: FailedTokens): Guard {
  return (head, request) => {
    const address = addressOf(request);
    const waitMs = failures.waitMs(address);
    if (waitMs > 0) {
      throw new KmiError('rate_limited', 'Too many wrong proxy tokens came from this address.', {
        hint: 'Check the token, then try again.',
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    try {
      guard(head, request);
    } catch (error) {
      failures.failed(address, presentedBy(head));
      throw error;
    }
  };
}

/** The peer's own address: X-Forwarded-For is anybody's claim. Of IPv6 the /64, which is what one host gets. */
function addressOf({ socket }: IncomingMessage): string {
  const address = socket.remoteAddress ?? '';
  if (!address.includes(':') || address.startsWith('::')) return address;
  return address.split(':').slice(0, 4).join(':');
}

function presentedBy({ authorization, tokens, apiKeys }: RequestHead): string {
  return [...authorization, ...tokens, ...apiKeys].join('\n');
}
