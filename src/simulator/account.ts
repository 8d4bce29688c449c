import type { Clock } from '../core/text/time.ts';
import { type Behaviour, DEFAULT_BEHAVIOUR } from './behaviour.ts';
import type { ErrorName, UpstreamError } from './errors.ts';
import { type FaultOptions, FaultPlan, type RawAnswer, type TransportFault } from './faults.ts';
import { PromptCache } from './prompt-cache.ts';
import { Quota, type QuotaSpec } from './quota.ts';
import { nothingStated, type Stated } from './stated.ts';

/** Extra-usage money: serves when a window is full, until it is gone. Cents of `currency`. */
export type Wallet = { cents: number; currency: string; costCents: number };

export type AccountSpec = {
  name: string;
  /** Keys of one account share its quota, its limits and its faults. */
  keys: readonly string[];
  userId?: string;
  email?: string;
  nickname?: string;
  /** As `membership.level` names it. */
  plan?: string;
  quota?: QuotaSpec;
  wallet?: Partial<Wallet> | null;
  /** Chats that may be in flight at once; null = any number (the default; upstream allows 20 to 30). */
  parallelLimit?: number | null;
  /** Model ids the account may use; default: all. */
  models?: readonly string[];
  cacheLifetimeMs?: number;
  behaviour?: Partial<Behaviour>;
};

/** What an account has done. Tokens of the prompt, cached ones included, count as input when the chat is accepted. */
export type Books = {
  inputTokens: number;
  cachedTokens: number;
  /** As far as they left for the client. */
  outputTokens: number;
  /** Chats answered to the end. */
  served: number;
  /** Chats refused with an error. */
  refused: number;
  /** Chats whose client left before the end, also before the first byte. */
  aborted: number;
  /** Chats the simulator broke off, or ended with an error event. */
  broken: number;
};

export type Profile = { userId: string; email: string; nickname: string; plan: string };

const DEFAULT_CACHE_LIFETIME_MS = 3_600_000;

/** Tells who looks accounts up by key; throws when another account holds one of the new keys. */
export type ChangeKeys = (account: SimulatedAccount, before: readonly string[], after: readonly string[]) => void;

/** An account of the simulated API. Everything about it may be changed while requests run. */
export class SimulatedAccount {
  readonly name: string;
  readonly profile: Profile;
  readonly behaviour: Behaviour;
  readonly quota: Quota;
  readonly faults = new FaultPlan();
  readonly cache: PromptCache;
  readonly books: Books = {
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
    served: 0,
    refused: 0,
    aborted: 0,
    broken: 0,
  };
  /** What its answers told their clients, as far as the bytes left: less than `books` when an answer was cut short or not asked. */
  readonly stated: Stated = nothingStated();
  wallet: Wallet | null;
  parallelLimit: number | null;
  models: readonly string[] | null;
  /** Chats being answered. */
  inFlight = 0;
  /** Chats accepted so far: the number in the answer's text. */
  accepted = 0;
  #keys: readonly string[];
  #files = 0;
  readonly #clock: Clock;
  readonly #changeKeys: ChangeKeys;

  constructor(spec: AccountSpec, defaults: Partial<Behaviour>, clock: Clock, changeKeys: ChangeKeys) {
    this.name = spec.name;
    this.profile = {
      userId: spec.userId ?? `user-${spec.name}`,
      email: spec.email ?? `${spec.name}@example.test`,
      nickname: spec.nickname ?? spec.name,
      plan: spec.plan ?? 'LEVEL_INTERMEDIATE',
    };
    this.behaviour = { ...DEFAULT_BEHAVIOUR, ...defaults, ...spec.behaviour };
    this.quota = new Quota(spec.quota ?? {}, clock());
    this.cache = new PromptCache(spec.cacheLifetimeMs ?? DEFAULT_CACHE_LIFETIME_MS);
    this.wallet = walletOf(spec.wallet ?? null);
    this.parallelLimit = spec.parallelLimit ?? null;
    this.models = spec.models ?? null;
    this.#keys = [...spec.keys];
    this.#clock = clock;
    this.#changeKeys = changeKeys;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  /** Revokes the keys not named and issues those that are new. Throws when another account holds one. */
  setKeys(keys: readonly string[]): this {
    this.#changeKeys(this, this.#keys, keys);
    this.#keys = [...keys];
    return this;
  }

  /** Plans a fault: a name of the catalogue, an error of your own, or a broken connection. Faults strike in the order planned. */
  fail(what: ErrorName | TransportFault | UpstreamError, options?: FaultOptions): this {
    this.faults.add(what, options);
    return this;
  }

  /** Plans an answer sent byte for byte as given. */
  respondWith(answer: RawAnswer, options?: FaultOptions): this {
    this.faults.add(answer, options);
    return this;
  }

  /** Drops every planned fault and raw answer. Quota and behaviour stay. */
  heal(): this {
    this.faults.clear();
    return this;
  }

  behave(change: Partial<Behaviour>): this {
    Object.assign(this.behaviour, change);
    return this;
  }

  setQuota(change: QuotaSpec): this {
    this.quota.set(change, this.#clock());
    return this;
  }

  /** Takes an uploaded file; its id, which only this account knows (docs/kimi-api.md#files). */
  takeFile(): string {
    this.#files += 1;
    return `${this.#filePrefix}${this.#files}`;
  }

  hasFile(id: string): boolean {
    const number = id.startsWith(this.#filePrefix) ? Number(id.slice(this.#filePrefix.length)) : 0;
    return number >= 1 && number <= this.#files;
  }

  get #filePrefix(): string {
    return `file-${this.name}-`;
  }

  setWallet(change: Partial<Wallet> | null): this {
    this.wallet = walletOf(change === null ? null : { ...this.wallet, ...change });
    return this;
  }
}

function walletOf(spec: Partial<Wallet> | null): Wallet | null {
  return spec === null ? null : { cents: 0, currency: 'USD', costCents: 1, ...spec };
}
