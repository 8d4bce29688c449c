import { DESKTOP } from '../config/notify-target.ts';
import type { AccountCandidate } from '../core/choosing/account-pool.ts';
import type { Clock } from '../core/text/time.ts';
import type { Zone } from '../core/text/zoned-time.ts';
import { type Notice, noticesBetween, OncePerHour } from './notices.ts';
import { type Picture, pictureOf } from './picture.ts';
import type { Sender } from './send.ts';

export type NotifierParts = {
  readonly candidates: () => readonly AccountCandidate[];
  readonly sender: Sender;
  readonly clock: Clock;
  readonly zone: Zone;
  readonly log: {
    info(message: string, details?: Record<string, unknown>): void;
    warn(message: string, details?: Record<string, unknown>): void;
  };
  /** How long after something happened it is looked at. */
  readonly settleMs?: number;
};

export type Notifier = {
  /** Something happened to a key. Costs no more than a timer. */
  poke(): void;
  stop(): void;
};

/**
 * A burst of refusals, and the reading of `/usages` that says how long a used-up quota lasts, are over by then: one notice tells
 * of all of it.
 */
const SETTLE_MS = 2_000;
/** While a key is out it is looked at this often at least: clocks are set, and machines sleep. */
const LOOK_MS = 60_000;

/** Tells a person of what happens to the keys, from what the pool knows. Looks when it is poked, and when a key is due back. */
export function startNotifier({ candidates, sender, clock, zone, log, settleMs = SETTLE_MS }: NotifierParts): Notifier {
  const limit = new OncePerHour();
  const stopping = new AbortController();
  let before = pictureOf(candidates(), clock());
  let settling: NodeJS.Timeout | null = null;
  let due: NodeJS.Timeout | null = null;
  let lastProblem: string | null = null;
  let queue = Promise.resolve();

  const look = () => {
    settling = null;
    const now = pictureOf(candidates(), clock());
    for (const notice of noticesBetween(before, now, limit, zone)) queue = queue.then(() => tell(notice));
    before = now;
    if (due !== null) clearTimeout(due);
    due = null;
    if (now.keys.some(({ reason }) => reason !== null)) due = setTimeout(look, waitMs(now)).unref();
  };

  const waitMs = ({ keys, at }: Picture) =>
    keys.reduce((least, { out }) => Math.min(least, Math.max((out?.until ?? Number.POSITIVE_INFINITY) - at, settleMs)), LOOK_MS);

  const tell = async (notice: Notice) => {
    if (stopping.signal.aborted) return;
    const problem = await sender.send(notice, stopping.signal);
    const details = { to: sender.target, event: notice.event, key_label: notice.keyLabel };
    if (problem === null) log.info('A notice was sent.', details);
    // A program that is missing is missing every time.
    else if (problem !== lastProblem || sender.target !== DESKTOP)
      log.warn('A notice could not be sent.', { ...details, reason: problem });
    lastProblem = problem;
  };

  look();
  return {
    poke() {
      settling ??= setTimeout(look, settleMs).unref();
    },
    stop() {
      stopping.abort();
      if (settling !== null) clearTimeout(settling);
      if (due !== null) clearTimeout(due);
    },
  };
}
