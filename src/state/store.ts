import { dirname, join } from 'node:path';
import { type KeyState, newKeyState } from '../core/keys/key-state.ts';
import { KmiError, reasonOf } from '../errors.ts';
import { refuseForeign } from '../files/owner.ts';
import { makePrivateFolder, removeLeftovers, replaceFile } from '../files/private.ts';
import { versionOf } from '../files/version.ts';
import { addTo, apply, type Changes, fold, isEmpty, type KeyChange, noChanges } from './changes.ts';
import { NO_UNKNOWNS, newState, parseState, renderState, type State, type Unknowns } from './schema.ts';
import type { StateStoreOptions } from './store-options.ts';
import { movedAside, textOf } from './unusable-file.ts';

/** Counters wait this long for company before a save; a save that is slow itself makes the wait longer, up to 1 s. */
const DEBOUNCE_MS = 250;
const DEBOUNCE_MAX_MS = 1_000;
/** With thousands of keys a save takes long enough to be felt by the requests, so there it is rarer. */
const MANY_KEYS = 1_000;
const DEBOUNCE_MANY_MS = 5_000;
const RETRY_MS = 1_000;
const COMPLAIN_EVERY_MS = 60_000;

/** Requests of a key since they were last made a change of. */
type RequestCount = { readonly label: string; readonly key: KeyState; requests: number };

/**
 * The shared state file, seen from one process. `state` is what the file said last with this process's unsaved changes
 * on top; a save takes the lock, reads what others wrote meanwhile, and writes that with only its own changes applied.
 * Reading and changing never touch the disk.
 */
export class StateStore {
  /** The live view. Its KeyState objects stay the same for the life of the store. */
  readonly state: State = newState();
  readonly #options: StateStoreOptions;
  #unknowns: Unknowns = NO_UNKNOWNS;
  #pending: Changes = noChanges();
  readonly #counts = new Map<string, RequestCount>();
  /** Those with requests that are not among the changes yet. */
  #counted: RequestCount[] = [];
  /** Which version of the file `state` is based on. */
  #seen: string | null = null;
  /** What the file said then; null when there was none. */
  #seenText: string | null = null;
  #hasTidied = false;
  #queue: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #watchTimer: NodeJS.Timeout | null = null;
  #onForeignChange: () => void = () => undefined;
  #lastSaveMs = 0;
  #lastComplaintAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** The file could not be read, so it is not written. */
  #isBlind = false;

  private constructor(options: StateStoreOptions) {
    this.#options = options;
  }

  /** Reads the file. A missing one is an empty state; one that is not JSON is moved aside. Throws `state_unusable`. */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    const store = new StateStore(options);
    try {
      await store.#read();
    } catch (error) {
      store.#isBlind = options.goesOnWithout?.(error) === true;
      if (store.#isBlind) return store;
      throw new KmiError('state_unusable', `The state file ${options.path} cannot be read (${reasonOf(error)}).`, {
        cause: error,
      });
    }
    return store;
  }

  /** The state of a key; a key not seen before gets an entry. */
  keyState(label: string): KeyState {
    const existing = this.state.keys.get(label);
    if (existing !== undefined) return existing;
    const fresh = newKeyState();
    this.state.keys.set(label, fresh);
    return fresh;
  }

  /** Changes one key, in the view at once and in the file soon; `urgent` saves without waiting for company. */
  changeKey(label: string, change: KeyChange, urgent = false): void {
    this.change({ keys: new Map([[label, change]]) }, urgent);
  }

  change(changes: Changes, urgent = false): void {
    this.#enterCounts();
    apply(this.state, changes);
    fold(this.#pending, changes);
    if (urgent) this.#schedule(0);
    else this.#scheduleSoon();
  }

  #scheduleSoon(): void {
    const isLarge = this.state.keys.size > MANY_KEYS;
    this.#schedule(isLarge ? DEBOUNCE_MANY_MS : Math.min(Math.max(DEBOUNCE_MS, this.#lastSaveMs * 10), DEBOUNCE_MAX_MS));
  }

  /**
   * What every request changes: how many the key has had, and when the last one came (`at`, epoch ms). Comes back with
   * the key's state.
   */
  countRequest(label: string, at: number): KeyState {
    const count = this.#counts.get(label) ?? this.#newCount(label);
    if (count.requests === 0) this.#counted.push(count);
    count.requests += 1;
    const { key } = count;
    key.requests += 1;
    if (key.lastUsed === null || at > key.lastUsed) key.lastUsed = at;
    if (this.#timer === null) this.#scheduleSoon();
    return key;
  }

  #newCount(label: string): RequestCount {
    const count = { label, key: this.keyState(label), requests: 0 };
    this.#counts.set(label, count);
    return count;
  }

  /** Makes changes of what was counted. They are not made for each request: thousands of keys may have one between two saves. */
  #enterCounts(): void {
    for (const count of this.#counted) {
      const change = this.#pending.keys.get(count.label) ?? {};
      change.lastUsed = Math.max(change.lastUsed ?? 0, count.key.lastUsed ?? 0);
      addTo(change, 'requests', count.requests);
      this.#pending.keys.set(count.label, change);
      count.requests = 0;
    }
    this.#counted = [];
  }

  /** Where round-robin goes on. */
  setRotationIndex(index: number): void {
    this.state.rotationIndex = index;
    this.#pending.rotationIndex = index;
    if (this.#timer === null) this.#scheduleSoon();
  }

  /** Saves what is unsaved. Throws what went wrong; the changes are kept and the next save tries again. */
  async save(): Promise<void> {
    this.#unschedule();
    await this.#exclusively(() => this.#write());
  }

  /** Takes over what others wrote. Throws when the file cannot be read. */
  async refresh(): Promise<void> {
    if (!this.#isBlind) await this.#exclusively(() => this.#read());
  }

  /**
   * Looks at the file every `intervalMs` and takes over what others wrote. Calls `onForeignChange` whenever that happened,
   * also when it was a save that came upon it.
   */
  startWatching(intervalMs: number, onForeignChange: () => void): void {
    this.#onForeignChange = onForeignChange;
    const look = async () => {
      try {
        await this.#exclusively(() => this.#read());
      } catch (error) {
        this.#complain('The state file cannot be read; going on with what is known.', error);
      }
      if (!this.#closed) this.#watchTimer = setTimeout(look, intervalMs).unref();
    };
    this.#watchTimer = setTimeout(look, intervalMs).unref();
  }

  /** Stops watching and saves what is left. A failure is logged: nothing more can be done about it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#onForeignChange = () => undefined;
    if (this.#watchTimer !== null) clearTimeout(this.#watchTimer);
    this.#unschedule();
    // A save under way has the changes in its hands and gives them back if it fails.
    await this.#queue;
    this.#enterCounts();
    if (isEmpty(this.#pending)) return;
    try {
      await this.save();
    } catch (error) {
      this.#options.log.warn('The last changes of the state could not be saved.', { reason: reasonOf(error) });
    }
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    if (delayMs > 0 && this.#timer !== null) return;
    this.#unschedule();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.save().catch((error: unknown) => {
        this.#complain('The state could not be saved; requests go on and the save is tried again.', error);
        this.#schedule(RETRY_MS);
      });
    }, delayMs).unref();
  }

  #unschedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** One file operation of this store at a time. */
  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #write(): Promise<void> {
    this.#enterCounts();
    if (this.#isBlind || isEmpty(this.#pending)) return;
    const { path, clock } = this.#options;
    const startedAt = clock();
    await makePrivateFolder(dirname(path));
    // Loaded on demand: commands that only read need no lock, and start faster without it.
    const { withFileLock } = await import('./file-lock.ts');
    await withFileLock(path, async () => {
      if (!this.#hasTidied) await removeLeftovers(path);
      this.#hasTidied = true;
      await this.#read(true);
      // From here to the rendered text nothing else runs: the batch and the text belong together.
      this.#enterCounts();
      const batch = this.#pending;
      this.#pending = noChanges();
      const text = renderState(this.state, this.#unknowns);
      try {
        await replaceFile(path, text);
      } catch (error) {
        fold(batch, this.#pending);
        this.#pending = batch;
        throw error;
      }
      this.#seenText = text;
      this.#seen = await versionOf(path).catch(() => null);
    });
    this.#lastSaveMs = Math.max(clock() - startedAt, 0);
  }

  /**
   * Takes over the file if it is another than the one last seen. Under the lock the text itself is compared: two writes within
   * one tick of the file system's clock can look like one version.
   */
  async #read(locked = false): Promise<void> {
    const { path } = this.#options;
    const version = await versionOf(path);
    if (version === this.#seen && !locked) return;
    await refuseForeign(path);
    const text = await textOf(path);
    if (text === null) {
      // Deleted under us: what this process knows is the truth again and is written with the next save.
      this.#forgetFile();
      return;
    }
    if (text === this.#seenText) {
      this.#seen = version;
      return;
    }
    const parsed = parseState(text);
    if (parsed === null) {
      if (!locked) await this.#readLocked();
      else if (!(await movedAside(this.#options, text))) await this.#read(true);
      else this.#forgetFile();
      return;
    }
    this.#adopt(parsed.state);
    this.#unknowns = parsed.unknowns;
    this.#seen = version;
    this.#seenText = text;
    this.#onForeignChange();
  }

  #adopt(disk: State): void {
    this.#enterCounts();
    const { keys, ...top } = disk;
    Object.assign(this.state, top);
    for (const label of this.state.keys.keys()) {
      if (!keys.has(label)) Object.assign(this.keyState(label), newKeyState());
    }
    for (const [label, key] of keys) Object.assign(this.keyState(label), key);
    apply(this.state, this.#pending);
  }

  /** Only under the lock, so that no fresh file is moved away in place of the broken one. */
  async #readLocked(): Promise<void> {
    const { withFileLock } = await import('./file-lock.ts');
    await withFileLock(this.#options.path, () => this.#read(true));
  }

  #forgetFile(): void {
    this.#seen = null;
    this.#seenText = null;
  }

  #complain(message: string, error: unknown): void {
    const now = this.#options.clock();
    // A clock set back must not silence the log.
    if (Math.abs(now - this.#lastComplaintAt) < COMPLAIN_EVERY_MS) return;
    this.#lastComplaintAt = now;
    this.#options.log.warn(message, { file: this.#options.path, reason: reasonOf(error) });
  }
}

export function statePath(stateDir: string): string {
  return join(stateDir, 'state.json');
}
