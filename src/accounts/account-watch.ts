import type { Key } from '../core/keys/key.ts';
import type { KnownAccount } from '../core/keys/key-state.ts';
import type { Clock } from '../core/text/time.ts';

export type AccountWatchOptions = {
  readonly keys: () => readonly Key[];
  /** What is known of a key's account. */
  readonly accountOf: (label: string) => KnownAccount | null;
  /** The account's id; null when it cannot be learned now. Must not throw. */
  readonly fetch: (key: Key, signal: AbortSignal) => Promise<string | null>;
  /** Whether the label may stand for another key than when its account was asked for. Looked up once, at the start. */
  readonly isDoubtful?: (key: Key, known: KnownAccount) => Promise<boolean>;
  readonly onAccount: (key: Key, account: KnownAccount) => void;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  /** First pause after a failure, doubled with each further one. Default 30 s. */
  readonly retryMs?: number;
};

export type AccountWatch = {
  /** Asks for keys that are new, and again for those that may belong to another account now. */
  keysChanged(doubtful?: readonly Key[]): void;
  /** Ends calls and timers; nothing is called back any more. */
  stop(): void;
};

const RETRY_MS = 30_000;
const RETRY_MAX_MS = 6 * 3_600_000;
const REFRESH_MS = 86_400_000;
/** How often is looked whether a key is due. */
const LOOK_MS = 60_000;
const AT_A_TIME = 2;
/** Longest random pause before a call, so that many keys do not ask in one burst (docs/kimi-api.md#polling). */
const SPREAD_MS = 100;
/** The more keys there are, the less does anybody wait for the answers, and the proxy has other work. */
const SPREADS_OF_MORE: readonly (readonly [keys: number, spreadMs: number])[] = [
  [1000, 2000],
  [50, 400],
];

type Failures = { readonly hash: string; readonly count: number; readonly retryAt: number };

/**
 * Learns which account each key belongs to, in the background: at the start for keys that are not known, then once a day
 * (± 10 %), again with growing pauses after failures. Nothing waits for it, and a failure says nothing about the key.
 */
export function startAccountWatch(options: AccountWatchOptions): AccountWatch {
  const { clock, random, retryMs = RETRY_MS } = options;
  const abort = new AbortController();
  const failures = new Map<string, Failures>();
  const asked = new Set<string>();
  const doubted = new Set<string>();
  const refreshMs = REFRESH_MS * (0.9 + 0.2 * random());
  let running = 0;
  /** To be asked, from the back. */
  let due: Key[] = [];
  let timer: NodeJS.Timeout | null = null;

  function isDue({ label, hash, disabled }: Key): boolean {
    if (disabled || asked.has(hash)) return false;
    const failed = failures.get(label);
    if (failed !== undefined && failed.hash === hash && clock() < failed.retryAt) return false;
    const known = options.accountOf(label);
    return known === null || doubted.has(hash) || Math.abs(clock() - known.at) >= refreshMs;
  }

  function look(): void {
    if (abort.signal.aborted) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(look, Math.min(LOOK_MS, retryMs)).unref();
    forgetGone();
    due = options.keys().filter(isDue).reverse();
    while (running < AT_A_TIME && askNext()) running += 1;
  }

  /** One after the other, until none is due. */
  function askNext(): boolean {
    let key = due.pop();
    while (key !== undefined && !isDue(key)) key = due.pop();
    if (key === undefined || abort.signal.aborted) return false;
    asked.add(key.hash);
    void ask(key).then(() => {
      asked.delete(key.hash);
      if (!askNext()) running -= 1;
    });
    return true;
  }

  async function ask(key: Key): Promise<void> {
    const spreadMs = SPREADS_OF_MORE.find(([keys]) => due.length > keys)?.[1] ?? SPREAD_MS;
    await new Promise((resolve) => setTimeout(resolve, random() * spreadMs).unref());
    if (abort.signal.aborted) return;
    const id = await options.fetch(key, abort.signal);
    // The label may stand for another key by now.
    if (abort.signal.aborted || !options.keys().some(({ label, hash }) => label === key.label && hash === key.hash)) return;
    if (id !== null) {
      failures.delete(key.label);
      doubted.delete(key.hash);
      options.onAccount(key, { id, at: clock() });
      return;
    }
    const before = failures.get(key.label);
    const count = before?.hash === key.hash ? before.count + 1 : 1;
    const pauseMs = Math.min(retryMs * 2 ** Math.min(count - 1, 20), RETRY_MAX_MS);
    failures.set(key.label, { hash: key.hash, count, retryAt: clock() + pauseMs });
  }

  function forgetGone(): void {
    const labels = new Set(options.keys().map(({ label }) => label));
    for (const label of failures.keys()) if (!labels.has(label)) failures.delete(label);
  }

  async function doubt(): Promise<void> {
    for (const key of options.keys()) {
      const known = options.accountOf(key.label);
      if (known !== null && (await options.isDoubtful?.(key, known)) === true) doubted.add(key.hash);
    }
    if (doubted.size > 0) look();
  }

  look();
  void doubt();
  return {
    keysChanged(doubtful = []) {
      for (const { hash } of doubtful) doubted.add(hash);
      look();
    },
    stop() {
      abort.abort();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
