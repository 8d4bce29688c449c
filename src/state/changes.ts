import type { Strategy } from '../core/choosing/strategy.ts';
import {
  type Block,
  type Cooldown,
  type Counter,
  type KeyState,
  type KnownAccount,
  newKeyState,
} from '../core/keys/key-state.ts';
import type { SessionMoves, State } from './schema.ts';

/**
 * A change of a counter that can be applied to a value somebody else has moved meanwhile: x → max(x + add, floor).
 * Adding, taking away without going below zero, and clearing all have this form, and so has one after another.
 */
type Shift = { add: number; floor: number };

/** What one writer did to one key since its last save. A field that is absent was not touched. */
export type KeyChange = {
  /** Epoch ms. */
  lastUsed?: number;
  /** Epoch ms. */
  failedAt?: number;
  /** When a reading that said "quota left" was asked for: ends a `quota` cooldown that is older. Epoch ms. */
  quotaSeenAt?: number;
  cooldown?: Cooldown | null;
  block?: Block | null;
  account?: KnownAccount | null;
  shifts?: Partial<Record<Counter, Shift>>;
};

/** What one writer did since its last save. */
export type Changes = {
  activeKey?: { readonly label: string; readonly index: number };
  rotationIndex?: number;
  autoRotate?: boolean;
  /** null: none is chosen any more. */
  strategy?: Strategy | null;
  lastHealthRefresh?: number;
  /** To be added. */
  sessionMoves?: SessionMoves;
  readonly keys: Map<string, KeyChange>;
};

export function noChanges(): Changes {
  return { keys: new Map() };
}

export function isEmpty(changes: Changes): boolean {
  return changes.keys.size === 0 && Object.keys(changes).length === 1;
}

/** Adds `by` to a counter. */
export function addTo(change: KeyChange, counter: Counter, by: number): void {
  shift(change, counter, { add: by, floor: 0 });
}

/** Takes one off a counter, not below zero. */
export function takeOneOff(change: KeyChange, counter: Counter): void {
  shift(change, counter, { add: -1, floor: 0 });
}

/** Sets a counter to zero, whatever it is by then. */
export function clear(change: KeyChange, counter: Counter): void {
  shift(change, counter, { add: Number.NEGATIVE_INFINITY, floor: 0 });
}

/** First what was there, then `next`: max(max(x + a, f) + b, g) = max(x + a + b, max(f + b, g)). */
function shift(change: KeyChange, counter: Counter, next: Shift): void {
  change.shifts ??= {};
  const before = change.shifts[counter];
  if (before === undefined) {
    change.shifts[counter] = { ...next };
    return;
  }
  before.floor = Math.max(before.floor + next.add, next.floor);
  before.add += next.add;
}

/** Adds `later` to `changes` in place, as if both had been done in that order. */
export function fold(changes: Changes, later: Changes): void {
  const { keys, ...top } = later;
  const { lastHealthRefresh: refreshedAt, sessionMoves } = changes;
  Object.assign(changes, top);
  if (refreshedAt !== undefined) changes.lastHealthRefresh = Math.max(refreshedAt, top.lastHealthRefresh ?? 0);
  if (sessionMoves !== undefined) changes.sessionMoves = addMoves(sessionMoves, top.sessionMoves);
  for (const [label, change] of keys) {
    const earlier = changes.keys.get(label);
    if (earlier === undefined) changes.keys.set(label, copyOf(change));
    else foldKey(earlier, change);
  }
}

function addMoves(one: SessionMoves, other: SessionMoves | undefined): SessionMoves {
  return other === undefined ? one : { count: one.count + other.count, tokens: one.tokens + other.tokens };
}

/** A copy that shares nothing that later changes write to. */
function copyOf(change: KeyChange): KeyChange {
  return change.shifts === undefined ? { ...change } : { ...change, shifts: structuredClone(change.shifts) };
}

function foldKey(change: KeyChange, later: KeyChange): void {
  if (later.lastUsed !== undefined) change.lastUsed = Math.max(change.lastUsed ?? 0, later.lastUsed);
  if (later.failedAt !== undefined) change.failedAt = Math.max(change.failedAt ?? 0, later.failedAt);
  if (later.quotaSeenAt !== undefined) change.quotaSeenAt = Math.max(change.quotaSeenAt ?? 0, later.quotaSeenAt);
  if (later.cooldown !== undefined) change.cooldown = later.cooldown;
  if (later.block !== undefined) change.block = later.block;
  if (later.account !== undefined) change.account = later.account;
  if (later.shifts === undefined) return;
  for (const [counter, next] of Object.entries(later.shifts) as [Counter, Shift][]) shift(change, counter, next);
}

/** Applies changes to a state in place. */
export function apply(state: State, changes: Changes): void {
  if (changes.activeKey !== undefined) {
    state.activeKey = changes.activeKey.label;
    state.activeIndex = changes.activeKey.index;
  }
  if (changes.rotationIndex !== undefined) state.rotationIndex = changes.rotationIndex;
  if (changes.autoRotate !== undefined) state.autoRotate = changes.autoRotate;
  if (changes.strategy !== undefined) state.strategy = changes.strategy;
  if (changes.lastHealthRefresh !== undefined) {
    state.lastHealthRefresh = Math.max(state.lastHealthRefresh ?? 0, changes.lastHealthRefresh);
  }
  state.sessionMoves = addMoves(state.sessionMoves, changes.sessionMoves);
  for (const [label, change] of changes.keys) applyToKey(state, label, change);
}

/** Of a refusal for quota and a reading that says "quota left" the later one is right, in whatever order they were written. */
function endQuotaCooldown(key: KeyState): void {
  const { cooldown, failedAt, quotaSeenAt } = key;
  if (cooldown?.reason === 'quota' && quotaSeenAt !== null && (failedAt ?? 0) <= quotaSeenAt) key.cooldown = null;
}

function applyToKey(state: State, label: string, change: KeyChange): void {
  let key = state.keys.get(label);
  if (key === undefined) {
    key = newKeyState();
    state.keys.set(label, key);
  }
  if (change.lastUsed !== undefined) key.lastUsed = Math.max(key.lastUsed ?? 0, change.lastUsed);
  if (change.cooldown !== undefined) key.cooldown = change.cooldown;
  if (change.block !== undefined) key.block = change.block;
  if (change.account !== undefined) key.account = change.account;
  if (change.failedAt !== undefined) key.failedAt = Math.max(key.failedAt ?? 0, change.failedAt);
  if (change.quotaSeenAt !== undefined) key.quotaSeenAt = Math.max(key.quotaSeenAt ?? 0, change.quotaSeenAt);
  if (change.cooldown != null || change.quotaSeenAt !== undefined) endQuotaCooldown(key);
  for (const [counter, { add, floor }] of Object.entries(change.shifts ?? {}) as [Counter, Shift][]) {
    key[counter] = Math.max(key[counter] + add, floor);
  }
}
