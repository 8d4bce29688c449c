import type { Strategy } from '../core/choosing/strategy.ts';
import type { Key } from '../core/keys/key.ts';
import type { ErrorCounter, KeyState, KnownAccount } from '../core/keys/key-state.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import type { TokenUsage } from '../core/tokens/token-usage.ts';
import type { TraceEvent } from '../core/trace/trace-event.ts';
import type { Penalty } from '../core/verdicts/penalty.ts';

/** What the shared state says of the rotation, at this moment. */
export type RotationState = {
  /** Label of the key that serves in manual mode; null until one was chosen. */
  readonly activeKey: string | null;
  readonly activeIndex: number;
  /** Where round-robin goes on. */
  readonly rotationIndex: number;
  readonly autoRotate: boolean;
  /** As `kmi rotate auto --strategy` chose; null: as the setting says. */
  readonly strategy: Strategy | null;
  /** One object as long as the process lives. */
  keyState(label: string): KeyState;
};

/** What the proxy needs of the shared state. None of it waits for the disk. */
export type LedgerPort = RotationState & {
  served(label: string, at: number): void;
  answered(label: string, at: number): void;
  failed(label: string, at: number, counter: ErrorCounter): void;
  brokeOff(label: string, at: number): void;
  blamed(label: string, counter: ErrorCounter, at: number): void;
  penalize(label: string, penalty: Penalty, at: number): void;
  clearBlock(label: string): void;
  clearCooldown(label: string): void;
  setActive(label: string, index: number): void;
  setRotationIndex(index: number): void;
  accountIs(label: string, account: KnownAccount): void;
  forgetAccount(label: string): void;
  sessionMoved(tokens: number): void;
};

/** What the proxy needs of health: the reading of one key, now. */
export type HealthPort = { refreshNow(key: Key): Promise<KeyHealth> };

/**
 * What came of renewing the access token of a login: `renewed`, the key has a new one; `adopted`, it has another one, which was there
 * already and may be as old as the refused one; `over`, the login was refused for good; `failed`, nobody could say; `no-help`, a new
 * token was refused as well, or there can be none.
 */
export type TokenOutcome = 'renewed' | 'adopted' | 'over' | 'failed' | 'no-help';

/** Gets a login another access token. `refusedToken`: one that the upstream refused; null, when its time is up. Never rejects. */
export type LoginPort = {
  renew(key: Key, refusedToken: string | null): Promise<TokenOutcome>;
  /** The key as it is by now. */
  current(key: Key): Key;
};

export type TracePort = { record(event: TraceEvent): void };

export type UsagePort = {
  record(entry: {
    at: number;
    keyLabel: string;
    account: string | null;
    model: string | null;
    session: string | null;
    usage: TokenUsage | null;
  }): void;
};

/** Answers in the upstream's place, in dry-run. */
export type DryRunPort = (request: {
  readonly method: string;
  readonly endpoint: string;
  readonly body: Buffer;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly accept: string | undefined;
  readonly keyLabel: string;
}) => { readonly status: number; readonly headers: readonly string[]; readonly parts: readonly (string | Buffer)[] };

/** What waits until answers have gone, done now: the books then know of every answer that is over. */
export type DeferredPort = { catchUp(): void };

export type LogPort = {
  info(message: string, details?: Record<string, unknown>): void;
  warn(message: string, details?: Record<string, unknown>): void;
  error(message: string, details?: Record<string, unknown>): void;
};
