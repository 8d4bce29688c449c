import { AS_SET, type Strategy } from '../core/choosing/strategy.ts';
import type { Counter, ErrorCounter, KeyState, KnownAccount } from '../core/keys/key-state.ts';
import type { Penalty } from '../core/verdicts/penalty.ts';
import { addTo, clear, type KeyChange, takeOneOff } from './changes.ts';
import type { StateStore } from './store.ts';

const LOWERED_BY_SUCCESS: readonly ErrorCounter[] = ['errors403', 'errors429', 'errors5xx'];

const COUNTERS: readonly Counter[] = ['requests', 'errors401', ...LOWERED_BY_SUCCESS];

/** What happens to keys, in the words of the proxy, written into the store as changes. */
export class Ledger {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  get store(): StateStore {
    return this.#store;
  }

  get activeKey(): string | null {
    return this.#store.state.activeKey;
  }

  get activeIndex(): number {
    return this.#store.state.activeIndex;
  }

  get rotationIndex(): number {
    return this.#store.state.rotationIndex;
  }

  get autoRotate(): boolean {
    return this.#store.state.autoRotate;
  }

  get strategy(): Strategy | null {
    return this.#store.state.strategy;
  }

  keyState(label: string): KeyState {
    return this.#store.keyState(label);
  }

  /** An answer under 400: counts the request and takes one off each error counter (docs/kmi-manager.md#error-counters). */
  served(label: string, at: number): void {
    const state = this.#store.countRequest(label, at);
    if (hasNothingToClear(state, at)) return;
    const change: KeyChange = {};
    for (const counter of LOWERED_BY_SUCCESS) if (state[counter] > 0) takeOneOff(change, counter);
    // Proof that the key works: a refusal on record and an `upstream` cooldown are over.
    if (state.errors401 > 0) clear(change, 'errors401');
    if (state.block?.reason === 'auth') change.block = null;
    if (isSoftOrOver(state, at)) change.cooldown = null;
    this.#store.changeKey(label, change, change.block === null);
  }

  /** A request that was answered without saying anything about the key. */
  answered(label: string, at: number): void {
    this.#store.countRequest(label, at);
  }

  failed(label: string, at: number, counter: Counter): void {
    const change = request(at);
    change.failedAt = at;
    addTo(change, counter, 1);
    this.#store.changeKey(label, change);
  }

  /** An answer that was counted as served broke off in the middle. */
  brokeOff(label: string, at: number): void {
    this.blamed(label, 'errors5xx', at);
  }

  /** An error of a request that was counted already turned out to be the key's. */
  blamed(label: string, counter: ErrorCounter, at: number): void {
    const change: KeyChange = { failedAt: at };
    addTo(change, counter, 1);
    this.#store.changeKey(label, change);
  }

  /** `at`: when the upstream refused the key. A cooldown never shortens one of another kind. */
  penalize(label: string, penalty: Penalty, at: number): void {
    if (penalty.kind === 'block') {
      this.#store.changeKey(label, { block: penalty.block, failedAt: at }, true);
      return;
    }
    const { cooldown } = this.#store.keyState(label);
    const { reason, until } = penalty.cooldown;
    const isShorter = cooldown !== null && cooldown.reason !== reason && cooldown.until > until;
    this.#store.changeKey(label, isShorter ? { failedAt: at } : { cooldown: penalty.cooldown, failedAt: at }, true);
  }

  /**
   * `/usages` readings that a command asked for at `at` said that keys have quota: a `quota` cooldown is over, unless the upstream
   * refused the key since. The last writer of the file decides that.
   */
  quotaSeen(proven: readonly { readonly label: string; readonly at: number }[]): void {
    for (const { label, at } of proven) this.#store.changeKey(label, { quotaSeenAt: at });
  }

  /** Blocks and refusals on record are over: a recheck answered, or a person said so. */
  clearBlock(label: string): void {
    const change: KeyChange = { block: null };
    clear(change, 'errors401');
    this.#store.changeKey(label, change, true);
  }

  clearCooldown(label: string): void {
    this.#store.changeKey(label, { cooldown: null }, true);
  }

  /** `/usages` answered: the account lives, so one of each error on record is taken off, as for any answer under 400. */
  usageAnswered(label: string): void {
    const state = this.#store.keyState(label);
    const change: KeyChange = {};
    for (const counter of LOWERED_BY_SUCCESS) if (state[counter] > 0) takeOneOff(change, counter);
    if (change.shifts !== undefined) this.#store.changeKey(label, change);
  }

  /** A label that stood for another key stands for a new one, or for none: nothing of the old one holds. */
  forget(label: string): void {
    const change: KeyChange = { block: null, cooldown: null, account: null };
    for (const counter of COUNTERS) clear(change, counter);
    this.#store.changeKey(label, change, true);
  }

  /**
   * Keys have changed their labels, old to new: what is remembered goes along. Only what this process has seen is taken from the
   * old label, so that a request another process counts meanwhile is not lost.
   */
  relabelled(labels: ReadonlyMap<string, string>): void {
    const keys = new Map<string, KeyChange>();
    const changeOf = (label: string): KeyChange => {
      const change = keys.get(label) ?? {};
      keys.set(label, change);
      return change;
    };
    for (const label of labels.values()) if (!labels.has(label)) for (const counter of COUNTERS) clear(changeOf(label), counter);
    for (const from of labels.keys()) {
      const state = this.#store.keyState(from);
      const change = Object.assign(changeOf(from), { block: null, cooldown: null, account: null });
      for (const counter of COUNTERS) addTo(change, counter, -state[counter]);
    }
    for (const [from, to] of labels) {
      const { block, cooldown, lastUsed, account, failedAt, ...state } = this.#store.keyState(from);
      const times = { ...(lastUsed === null ? {} : { lastUsed }), ...(failedAt === null ? {} : { failedAt }) };
      const change = Object.assign(changeOf(to), { block, cooldown, account }, times);
      for (const counter of COUNTERS) addTo(change, counter, state[counter]);
    }
    if (keys.size > 0) this.#store.change({ keys }, true);
  }

  healthRefreshed(at: number): void {
    this.#store.change({ keys: new Map(), lastHealthRefresh: at });
  }

  setActive(label: string, index: number): void {
    this.#store.change({ keys: new Map(), activeKey: { label, index } }, true);
  }

  setRotationIndex(index: number): void {
    this.#store.setRotationIndex(index);
  }

  /** `strategy`: null leaves the one chosen before, `setting` gives it up. */
  setAutoRotate(on: boolean, strategy: Strategy | typeof AS_SET | null = null): void {
    const choice = strategy === null ? {} : { strategy: strategy === AS_SET ? null : strategy };
    this.#store.change({ keys: new Map(), autoRotate: on, ...choice }, true);
  }

  /** `GET /me` said which account the key belongs to. */
  accountIs(label: string, account: KnownAccount): void {
    this.#store.changeKey(label, { account });
  }

  /** The label names another credential: its account is not known. */
  forgetAccount(label: string): void {
    this.#store.changeKey(label, { account: null }, true);
  }

  /** A session had to leave its account. `tokens`: input tokens of its last request. */
  sessionMoved(tokens: number): void {
    this.#store.change({ keys: new Map(), sessionMoves: { count: 1, tokens } });
  }
}

function hasNothingToClear(state: KeyState, at: number): boolean {
  return (
    state.errors403 === 0 &&
    state.errors429 === 0 &&
    state.errors5xx === 0 &&
    state.errors401 === 0 &&
    state.block?.reason !== 'auth' &&
    !isSoftOrOver(state, at)
  );
}

function isSoftOrOver({ cooldown }: KeyState, at: number): boolean {
  return cooldown !== null && (cooldown.reason === 'upstream' || cooldown.until <= at);
}

function request(at: number): KeyChange {
  const change: KeyChange = { lastUsed: at };
  addTo(change, 'requests', 1);
  return change;
}
