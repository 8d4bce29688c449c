import { setTimeout as delay } from 'node:timers/promises';
import { KmiError } from '../errors.ts';
import type { Replacement } from '../files/private.ts';
import { fingerprintOf, isPairOver, isRenewable, type Login, type TokenPair } from './login.ts';
import { CALL_MS, type OauthNet, type RefreshOutcome, refreshTokens } from './oauth-client.ts';
import { SlotLockError, type StillHeld } from './slot-lock.ts';
import { codeOf, type HeldTokens, type HomeReading, type TokenHome, type TokensThere } from './token-home.ts';

export type Renewal =
  /** `renewed`: by this process. `current`: not due, or somebody else's pair. Both are on disk. */
  | { readonly kind: 'renewed' | 'current'; readonly tokens: TokenPair }
  /** For good: a person must log in again. */
  | { readonly kind: 'refused' }
  /** Nothing has changed, or it could not be told: try again later. `reason`: one sentence without a secret. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The login has been removed, or its client has logged out. */
  | { readonly kind: 'gone' };

export type RenewalLimits = {
  /** For the lock. */
  readonly lockMs: number;
  /** For one try, and for all of them together, the pauses included. */
  readonly tryMs: number;
  readonly allMs: number;
};

/** Together below the 60 s that Kimi Code waits for the lock (docs/kimi-api.md#sharing-a-login). */
export const RENEWAL_LIMITS: RenewalLimits = { lockMs: 50_000, tryMs: CALL_MS, allMs: 50_000 };

/** docs/kimi-api.md#oauth-requests */
const PAUSES_MS = [1_000, 2_000];
/** docs/kimi-api.md#oauth-lock */
const SECOND_LOOK_MS = 100;
/** A try with less time than this may be cut off while its answer is on the way, which would lose the tokens. */
const SHORTEST_TRY_MS = 5_000;
const DEFAULT_DUE_SHARE = 0.5;
/** None is renewed before 30 % of its life has passed. */
const LARGEST_DUE_SHARE = 0.7;
/** Due for want of a better measure: the client's own lower limit (docs/kimi-api.md#oauth-refresh). */
const DUE_S = 300;

/** New tokens that could not be written yet, and the refresh token that they stand for. */
type Grant = { readonly login: Login; readonly sent: string; readonly tokens: TokenPair };
/** By the login's id. */
export type Unwritten = Map<string, Grant>;

export type RenewalOptions = {
  readonly home: TokenHome;
  readonly host: string;
  readonly net: OauthNet;
  readonly limits: RenewalLimits;
  readonly unwritten: Unwritten;
  /** Aborted when the process ends: no further try begins. One under way goes on, or its answer would be lost. */
  readonly stopping: AbortSignal;
  /** Is told of the work that the process must not end in: from the sending of a refresh token to the writing of what came for it. */
  readonly onGrant: (work: Promise<unknown>) => void;
  readonly id: string;
  readonly refusedToken?: string | undefined;
  readonly dueShare?: number | undefined;
};

/** Is less than this share of the access token's life left? */
export function isDue({ expiresAt, expiresIn }: TokenPair, now: number, share = DEFAULT_DUE_SHARE): boolean {
  if (expiresAt === null) return false;
  const leftS = expiresAt - now / 1000;
  return leftS < (expiresIn === null ? DUE_S : Math.min(share, LARGEST_DUE_SHARE) * expiresIn);
}

/**
 * Renews the tokens of a login where they are, when that is wanted: when they are due, or `refusedToken` still is the access token. One
 * process at a time; whoever comes later finds the new tokens and uses those. Nobody learns of new tokens before they are on disk.
 * Never throws.
 */
export async function renewTokens(options: RenewalOptions): Promise<Renewal> {
  try {
    const { home, limits, unwritten, id } = options;
    const before = await home.read();
    if (!unwritten.has(id)) {
      const settled = settle(before, options);
      if (settled !== null) return settled;
    }
    return await home.hold((isHeld) => renewHeld(options, before, isHeld), limits.lockMs);
  } catch (error) {
    return failed(whyStopped(error));
  }
}

/** What needs no grant; null when one is wanted. */
function settle(reading: HomeReading, { net, refusedToken, dueShare }: RenewalOptions): Renewal | null {
  switch (reading.kind) {
    case 'gone':
      return { kind: 'gone' };
    case 'tombstone':
      return { kind: 'refused' };
    case 'unreadable':
      return failed(`The tokens cannot be read. ${reading.reason}`);
    case 'pair':
  }
  const { login, tokens } = reading;
  tellSecrets(net, tokens);
  const now = net.clock();
  if (login.refused === fingerprintOf(tokens.refreshToken)) return { kind: 'refused' };
  if (!isRenewable(login, tokens)) {
    if (isPairOver(tokens, now)) return { kind: 'refused' };
    if (tokens.accessToken !== refusedToken) return { kind: 'current', tokens };
    return failed(login.kind === 'kimi-cli' ? 'kmi does not renew a login of kimi-cli.' : 'There is nothing to renew it with.');
  }
  const isWanted = tokens.accessToken === refusedToken || isDue(tokens, now, dueShare);
  return isWanted ? null : { kind: 'current', tokens };
}

async function renewHeld(options: RenewalOptions, before: HomeReading, isHeld: StillHeld): Promise<Renewal> {
  const { home, unwritten, id } = options;
  const version = await home.version();
  const reading = await home.read();
  const kept = unwritten.get(id);
  if (kept !== undefined && isStandingFor(kept, reading)) return save(options, kept, await home.prepare());
  if (reading.kind !== 'unreadable') unwritten.delete(id);
  const settled = settle(reading, options);
  if (settled !== null || reading.kind !== 'pair') return settled ?? { kind: 'gone' };
  const { tokens } = reading;
  if (before.kind === 'pair' && isOther(before.tokens, tokens) && !isDue(tokens, options.net.clock(), options.dueShare)) {
    return { kind: 'current', tokens };
  }
  let replacement: Replacement;
  try {
    replacement = await home.prepare();
  } catch (error) {
    return failed(`New tokens could not be stored (${codeOf(error)}), so none were asked for.`);
  }
  try {
    if (options.stopping.aborted) return failed('kmi is stopping.');
    const work = grant(options, { ...reading, version, replacement }, isHeld);
    options.onGrant(work);
    return await work;
  } finally {
    await replacement.discard();
  }
}

/** Is what is on disk what the new tokens take the place of? A tombstone is: it is of the token that was sent. */
function isStandingFor({ sent }: Grant, there: HomeReading | TokensThere): boolean {
  return there.kind === 'tombstone' || (there.kind === 'pair' && there.tokens.refreshToken === sent);
}

/** Tokens to be renewed, the version of their file, and their file made ready for the new ones. */
type Held = HeldTokens & { readonly version: string | null; readonly replacement: Replacement };

/** From here on nothing may come in between: the answer holds the only tokens that count. */
async function grant(options: RenewalOptions, held: Held, isHeld: StillHeld): Promise<Renewal> {
  const outcome = await ask(options, held.tokens.refreshToken, isHeld);
  switch (outcome.kind) {
    case 'granted':
      return store(options, held, outcome.tokens);
    case 'refused':
      return lookAgain(options, held, isHeld);
    case 'again':
    case 'failed':
      return failed(outcome.reason);
  }
}

function isOther(a: TokenPair, b: TokenPair): boolean {
  return a.refreshToken !== b.refreshToken || a.accessToken !== b.accessToken || a.expiresAt !== b.expiresAt;
}

/** Up to three tries. Each asks first whether the lock is still held: without it nothing is sent. */
async function ask(
  { net, host, limits, stopping }: RenewalOptions,
  refreshToken: string,
  isHeld: StillHeld,
): Promise<RefreshOutcome> {
  const deadline = performance.now() + limits.allMs;
  for (let attempt = 0; ; attempt += 1) {
    if (!(await isHeld())) return { kind: 'failed', reason: LOCK_LOST };
    const timeoutMs = Math.min(limits.tryMs, deadline - performance.now());
    const outcome = await refreshTokens(net, host, refreshToken, timeoutMs);
    const pauseMs = PAUSES_MS[attempt];
    if (outcome.kind !== 'again' || pauseMs === undefined || stopping.aborted) return outcome;
    const leftMs = deadline - performance.now() - pauseMs;
    if (leftMs < Math.min(SHORTEST_TRY_MS, limits.tryMs)) return outcome;
    await delay(pauseMs, undefined, { signal: stopping }).catch(() => undefined);
    if (stopping.aborted) return outcome;
  }
}

const LOCK_LOST = 'The lock of the login was lost, so its refresh token was not sent.';

/** The answer is here. Whether or not the lock still is, new tokens replace those that were sent, and nothing else. */
async function store(options: RenewalOptions, held: Held, tokens: TokenPair): Promise<Renewal> {
  const { home } = options;
  const granted: Grant = { login: held.login, sent: held.tokens.refreshToken, tokens };
  if (held.version === null || (await home.version()) !== held.version) {
    const there = await home.readTokens();
    // Logged out meanwhile: the file must not come back.
    if (there.kind === 'gone') return { kind: 'gone' };
    if (there.kind === 'pair' && !isStandingFor(granted, there)) return adopt(options, there.tokens);
  }
  return save(options, granted, held.replacement);
}

function adopt({ net }: RenewalOptions, tokens: TokenPair): Renewal {
  tellSecrets(net, tokens);
  return { kind: 'current', tokens };
}

const WRITES = 5;
const WRITE_PAUSE_MS = 200;

async function save({ home, unwritten, id }: RenewalOptions, granted: Grant, replacement: Replacement): Promise<Renewal> {
  const text = home.render(granted.login, granted.tokens);
  let prepared = replacement;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await prepared.commit(text);
      unwritten.delete(id);
      return { kind: 'renewed', tokens: granted.tokens };
    } catch (error) {
      if (attempt === WRITES) {
        // The only copy there is: the next renewal writes it.
        unwritten.set(id, granted);
        return failed(`The new tokens could not be stored (${codeOf(error)}); free the disk or open the folder before kmi ends.`);
      }
      await delay(WRITE_PAUSE_MS);
      prepared = await home.prepare().catch(() => prepared);
    }
  }
}

/** Refused: unless somebody else has renewed the tokens at the same moment, that is for good. */
async function lookAgain(options: RenewalOptions, { login, tokens: sent }: HeldTokens, isHeld: StillHeld): Promise<Renewal> {
  const { home } = options;
  await delay(SECOND_LOOK_MS);
  const there = await home.readTokens();
  switch (there.kind) {
    case 'gone':
      return { kind: 'gone' };
    case 'tombstone':
      return { kind: 'refused' };
    case 'unreadable':
      return failed(`The tokens cannot be read. ${there.reason}`);
    case 'pair':
  }
  if (there.tokens.refreshToken !== sent.refreshToken) return adopt(options, there.tokens);
  // Whoever has the lock now may be about to store the tokens that replaced these.
  if (!(await isHeld())) return failed('The lock of the login was lost during its renewal.');
  await home.markRefused(login, sent);
  return { kind: 'refused' };
}

function tellSecrets({ onSecret }: OauthNet, { accessToken, refreshToken }: TokenPair): void {
  for (const token of [accessToken, refreshToken]) if (token !== '') onSecret(token);
}

function failed(reason: string): { readonly kind: 'failed'; readonly reason: string } {
  return { kind: 'failed', reason };
}

/** One sentence. Messages of the system hold paths at most, those of others are not trusted. */
function whyStopped(error: unknown): string {
  if (error instanceof SlotLockError || error instanceof KmiError) return error.message;
  return `The renewal stopped (${codeOf(error)}).`;
}
