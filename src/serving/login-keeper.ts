import { isLoginOver, isRenewable, isTokenOver, type Key, type KeyLogin } from '../core/keys/key.ts';
import type { Clock } from '../core/text/time.ts';
import type { Renewal } from '../logins/logins.ts';
import type { LoginPort, LogPort, TokenOutcome } from '../proxy/ports.ts';

export type LoginKeeperOptions = {
  readonly keys: () => readonly Key[];
  /** Renews a login. Never rejects. */
  readonly renew: (id: string, options: { readonly refusedToken?: string; readonly dueShare?: number }) => Promise<Renewal>;
  /** A login has another access token, or is over. */
  readonly onKey: (key: Key) => void;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly log: LogPort;
};

/** Renews logins ahead of need, and at once when a request needs it. */
export type LoginKeeper = LoginPort & {
  /** The key as it is now: with the access token it has by now. */
  current(key: Key): Key;
  /** Looks what is due: keys have changed, or the machine has slept. */
  look(): void;
  stop(): void;
};

/** Of its life an access token has this share left when it is renewed; each draws its own, so that logins do not come in a burst. */
const EARLIEST_SHARE = 0.5;
const LATEST_SHARE = 0.35;
/** For a token whose life is not known. */
const UNKNOWN_LIFE_MS = 120_000;
/** How late a look may be: a clock jumps, and a machine sleeps. */
const LOOK_MS = 30_000;
const RETRY_SHARE = 0.02;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** A request waits no longer for another token; the renewal goes on. */
const REQUEST_WAIT_MS = 15_000;
/** A token that was got because its forerunner was refused, and is refused as soon as this: a further one would be, too. */
const NO_HELP_MS = 5_000;

/** What is remembered of a login beside its key. Times in epoch ms. */
type Page = { token: string; share: number; failures: number; retryAt: number; forcedAt: number; isRunning: boolean };

export function startLoginKeeper(options: LoginKeeperOptions): LoginKeeper {
  const { clock, random, log } = options;
  const pages = new Map<string, Page>();
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  const current = (key: Key): Key => options.keys().find(({ label, hash }) => label === key.label && hash === key.hash) ?? key;

  function pageOf(key: Key, login: KeyLogin): Page {
    const known = pages.get(login.id);
    if (known?.token === key.value) return known;
    const share = LATEST_SHARE + (EARLIEST_SHARE - LATEST_SHARE) * random();
    const fresh: Page = { token: key.value, share, failures: 0, retryAt: 0, forcedAt: known?.forcedAt ?? 0, isRunning: false };
    pages.set(login.id, fresh);
    return fresh;
  }

  /** When the token is to be renewed; epoch ms. Infinity: never. */
  function dueAt(key: Key): number {
    const { login } = key;
    if (login === undefined || key.disabled || !isRenewable(login) || login.expiresAt === null) return Number.POSITIVE_INFINITY;
    const page = pageOf(key, login);
    if (page.isRunning) return Number.POSITIVE_INFINITY;
    return Math.max(login.expiresAt - page.share * (login.lifeMs ?? UNKNOWN_LIFE_MS), page.retryAt);
  }

  function look(): void {
    if (isStopped) return;
    if (timer !== null) clearTimeout(timer);
    const now = clock();
    let nextAt = now + LOOK_MS;
    for (const key of options.keys()) {
      const at = dueAt(key);
      if (at <= now) void renewAhead(key, key.login as KeyLogin);
      else nextAt = Math.min(nextAt, at);
    }
    timer = setTimeout(look, Math.max(nextAt - now, 1)).unref();
  }

  async function renewAhead(key: Key, login: KeyLogin): Promise<void> {
    const page = pageOf(key, login);
    page.isRunning = true;
    const came = take(key, await options.renew(login.id, { dueShare: page.share }));
    page.isRunning = false;
    if (came === 'failed') {
      // While its token is good, nobody needs another.
      const shareMs = isTokenOver(login, clock()) ? 0 : RETRY_SHARE * (login.lifeMs ?? UNKNOWN_LIFE_MS);
      const pauseMs = Math.max(shareMs, RETRY_MIN_MS) * 2 ** Math.min(page.failures, 10);
      page.failures += 1;
      page.retryAt = clock() + Math.min(pauseMs, RETRY_MAX_MS) * (0.8 + 0.4 * random());
    }
    look();
  }

  /** What a renewal has brought, for the key and for who waits for it. */
  function take(asked: Key, renewal: Renewal): TokenOutcome {
    const key = current(asked);
    const { login } = key;
    if (isStopped || login === undefined) return 'failed';
    if (renewal.kind === 'failed') {
      const isUrgent = isTokenOver(login, clock());
      log[isUrgent ? 'warn' : 'info']('A login could not be renewed; it is tried again.', {
        key_label: key.label,
        reason: renewal.reason,
      });
      return 'failed';
    }
    if (renewal.kind === 'refused' || renewal.kind === 'gone') {
      if (!login.isOver) {
        log.error('A login is over: a person must log in again.', { key_label: key.label, verdict: renewal.kind });
        options.onKey(Object.freeze({ ...key, login: { ...login, isOver: true } }));
      }
      return 'over';
    }
    const { accessToken, expiresAt, expiresIn } = renewal.tokens;
    if (accessToken !== key.value) {
      const times = {
        expiresAt: expiresAt === null ? null : expiresAt * 1000,
        lifeMs: expiresIn === null ? null : expiresIn * 1000,
      };
      options.onKey(Object.freeze({ ...key, value: accessToken, login: { ...login, ...times, isOver: false } }));
    }
    return 'renewed';
  }

  /** Renewals that requests wait for, by login; requests that come meanwhile join. */
  const awaited = new Map<string, Promise<TokenOutcome>>();

  async function renewNow(key: Key, login: KeyLogin, refusedToken: string | null): Promise<TokenOutcome> {
    const renewal = await options.renew(login.id, refusedToken === null ? {} : { refusedToken });
    const came = take(key, renewal);
    const present = current(key);
    if (came !== 'renewed' || present.login === undefined) return came;
    // Those of another process may be as old as the refused one, and were not got because of that.
    const isNew = renewal.kind === 'renewed';
    if (refusedToken !== null && isNew) pageOf(present, present.login).forcedAt = clock();
    look();
    if (present.value === refusedToken) return 'no-help';
    return isNew ? 'renewed' : 'adopted';
  }

  /** Another process may have replaced the token since. */
  async function adopt(key: Key, login: KeyLogin, refusedToken: string): Promise<TokenOutcome> {
    const came = take(key, await options.renew(login.id, { dueShare: 0 }));
    if (came !== 'renewed') return came;
    return current(key).value === refusedToken ? 'no-help' : 'adopted';
  }

  async function renew(asked: Key, refusedToken: string | null): Promise<TokenOutcome> {
    const key = current(asked);
    const { login } = key;
    if (isLoginOver(key, clock())) return 'over';
    if (login === undefined || !isRenewable(login)) return 'no-help';
    const isStillSo = refusedToken === null ? isTokenOver(login, clock()) : key.value === refusedToken;
    // Another request, or another process, was faster.
    if (!isStillSo) return 'adopted';
    const { forcedAt } = pageOf(key, login);
    if (refusedToken !== null && Math.abs(clock() - forcedAt) < NO_HELP_MS) return adopt(key, login, refusedToken);
    const running = awaited.get(login.id) ?? renewNow(key, login, refusedToken).finally(() => awaited.delete(login.id));
    awaited.set(login.id, running);
    return Promise.race([running, failsAfter(REQUEST_WAIT_MS)]);
  }

  look();
  return {
    renew,
    current,
    look,
    stop() {
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

function failsAfter(ms: number): Promise<TokenOutcome> {
  return new Promise((resolve) => setTimeout(resolve, ms, 'failed').unref());
}
