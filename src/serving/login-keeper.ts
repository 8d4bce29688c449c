import { isLoginOver, isRenewable, isTokenOver, type Key, type KeyLogin } from '../core/keys/key.ts';
import type { Clock } from '../core/text/time.ts';
import { reasonOf } from '../errors.ts';
import { endOf, inMs } from '../logins/login.ts';
import type { Renewal } from '../logins/logins.ts';
import type { LoginPort, LogPort, TokenOutcome } from '../proxy/ports.ts';

export type LoginKeeperOptions = {
  readonly keys: () => readonly Key[];
  /** Renews a login. */
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
type Progress = { token: string; share: number; failures: number; retryAt: number; isRunning: boolean };

export function startLoginKeeper(options: LoginKeeperOptions): LoginKeeper {
  const { clock, random, log } = options;
  const progress = new Map<string, Progress>();
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  /** By its login: a key may be renamed while a request waits for its token. */
  const current = (key: Key): Key => options.keys().find(({ hash }) => hash === key.hash) ?? key;

  function progressOf(key: Key, login: KeyLogin): Progress {
    const known = progress.get(login.id);
    if (known?.token === key.value) return known;
    const share = LATEST_SHARE + (EARLIEST_SHARE - LATEST_SHARE) * random();
    const fresh: Progress = { token: key.value, share, failures: 0, retryAt: 0, isRunning: false };
    progress.set(login.id, fresh);
    return fresh;
  }

  /** When the token is to be renewed; epoch ms. Infinity: never. */
  function dueAt(key: Key): number {
    const { login } = key;
    if (login === undefined || key.disabled || !isRenewable(login) || login.expiresAt === null) return Number.POSITIVE_INFINITY;
    const known = progressOf(key, login);
    if (known.isRunning) return Number.POSITIVE_INFINITY;
    return Math.max(login.expiresAt - known.share * (login.lifeMs ?? UNKNOWN_LIFE_MS), known.retryAt);
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

  /** What the renewal needs may be gone from the disk, when kmi was updated under a running proxy. */
  async function renewal(id: string, wanted: Parameters<LoginKeeperOptions['renew']>[1]): Promise<Renewal> {
    try {
      return await options.renew(id, wanted);
    } catch (error) {
      return { kind: 'failed', reason: `kmi cannot renew it (${reasonOf(error)}); restart the proxy.` };
    }
  }

  async function renewAhead(key: Key, login: KeyLogin): Promise<void> {
    const known = progressOf(key, login);
    known.isRunning = true;
    const came = applyRenewal(key, await renewal(login.id, { dueShare: known.share }));
    known.isRunning = false;
    if (came === 'failed') {
      // While its token is good, nobody needs another.
      const shareMs = isTokenOver(login, clock()) ? 0 : RETRY_SHARE * (login.lifeMs ?? UNKNOWN_LIFE_MS);
      const pauseMs = Math.max(shareMs, RETRY_MIN_MS) * 2 ** Math.min(known.failures, 10);
      known.failures += 1;
      known.retryAt = clock() + Math.min(pauseMs, RETRY_MAX_MS) * (0.8 + 0.4 * random());
    }
    look();
  }

  /** What a renewal has brought, for the key and for who waits for it. */
  function applyRenewal(asked: Key, got: Renewal): TokenOutcome {
    const key = current(asked);
    const { login } = key;
    if (login === undefined) return 'failed';
    if (got.kind === 'failed') {
      const isUrgent = isTokenOver(login, clock());
      log[isUrgent ? 'warn' : 'info']('A login could not be renewed; it is tried again.', {
        key_label: key.label,
        reason: got.reason,
      });
      return 'failed';
    }
    if (got.kind === 'refused' || got.kind === 'gone') {
      if (!login.isOver) {
        if (got.kind === 'gone') log.info('A login is gone: its account was logged out.', { key_label: key.label });
        else log.error('A login is over: a person must log in again.', { key_label: key.label });
        options.onKey(Object.freeze({ ...key, login: { ...login, isOver: true } }));
      }
      return 'over';
    }
    const { accessToken, expiresIn } = got.tokens;
    if (accessToken !== key.value) {
      const times = { expiresAt: endOf(got.tokens), lifeMs: inMs(expiresIn) };
      options.onKey(Object.freeze({ ...key, value: accessToken, login: { ...login, ...times, isOver: false } }));
    }
    return 'renewed';
  }

  /** The token that was got last because another was refused, by login. */
  const forced = new Map<string, { readonly token: string; readonly at: number }>();
  /** Renewals that requests wait for, by login; requests that come meanwhile join. */
  const awaited = new Map<string, Promise<TokenOutcome>>();

  async function renewNow(key: Key, login: KeyLogin, refusedToken: string | null): Promise<TokenOutcome> {
    const got = await renewal(login.id, refusedToken === null ? {} : { refusedToken });
    const came = applyRenewal(key, got);
    const present = current(key);
    if (came !== 'renewed' || present.login === undefined) return came;
    // Those of another process may be as old as the refused one, and were not got because of that.
    const isNew = got.kind === 'renewed';
    if (refusedToken !== null && isNew) forced.set(login.id, { token: present.value, at: clock() });
    look();
    if (present.value === refusedToken) return 'no-help';
    return isNew ? 'renewed' : 'adopted';
  }

  /** Another process may have replaced the token since. */
  async function adopt(key: Key, login: KeyLogin, refusedToken: string): Promise<TokenOutcome> {
    const came = applyRenewal(key, await renewal(login.id, { dueShare: 0 }));
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
    const last = forced.get(login.id);
    const isFresh = last !== undefined && last.token === refusedToken && Math.abs(clock() - last.at) < NO_HELP_MS;
    if (refusedToken !== null && isFresh) return adopt(key, login, refusedToken);
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
