import { mergeSessions, packSessions, type SessionEntry, unpackSessions } from './session-dump.ts';

/** What picking needs to know of sessions. */
export type SessionTable = {
  /** The account the session is with; null when it is not known. */
  readonly accountOf: (session: number) => string | null;
  /** Sessions with the account that were seen in the last half hour before `now`. */
  readonly activeOn: (accountId: string, now: number) => number;
};

const SESSIONS_MAX = 100_000;
const ACTIVE_MS = 30 * 60_000;
const SLOTS_AT_FIRST = 1024;
const NONE = -1;

/**
 * Which account each session is with: the `capacity` sessions seen last, the longest unseen forgotten first. Arrays of
 * numbers, doubled as needed: 37 bytes a session and 8 of index, so 100,000 sessions (131,072 slots) take at most 6 MB,
 * however long the names are that sessions go by outside.
 */
export class Sessions implements SessionTable {
  readonly #capacity: number;
  readonly #accounts: string[] = [];
  readonly #accountNumbers = new Map<string, number>();
  readonly #active: number[] = [];
  #size = 0;
  #heads = new Int32Array(2 * SLOTS_AT_FIRST).fill(NONE);
  #ids = new Float64Array(SLOTS_AT_FIRST);
  #seenAt = new Float64Array(SLOTS_AT_FIRST);
  #tokens = new Uint32Array(SLOTS_AT_FIRST);
  #account = new Int32Array(SLOTS_AT_FIRST);
  #chain = new Int32Array(SLOTS_AT_FIRST);
  /** Towards the newest; the list of use runs from #oldest to #newest. */
  #newer = new Int32Array(SLOTS_AT_FIRST);
  #older = new Int32Array(SLOTS_AT_FIRST);
  #isActive = new Uint8Array(SLOTS_AT_FIRST);
  #oldest = NONE;
  #newest = NONE;
  /** The oldest session that still counts as active. */
  #activeFrom = NONE;

  constructor(capacity = SESSIONS_MAX) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    return this.#heads.byteLength + this.#ids.length * (8 + 8 + 4 * 5 + 1);
  }

  accountOf(session: number): string | null {
    const slot = this.#find(session);
    return slot === NONE ? null : (this.#accounts[this.#account[slot] as number] as string);
  }

  tokensOf(session: number): number {
    const slot = this.#find(session);
    return slot === NONE ? 0 : (this.#tokens[slot] as number);
  }

  activeOn(accountId: string, now: number): number {
    const since = now - ACTIVE_MS;
    while (this.#activeFrom !== NONE && (this.#seenAt[this.#activeFrom] as number) < since) {
      const slot = this.#activeFrom;
      this.#countActive(slot, -1);
      this.#activeFrom = this.#newer[slot] as number;
    }
    const account = this.#accountNumbers.get(accountId);
    return account === undefined ? 0 : (this.#active[account] as number);
  }

  /** The session is with this account now and was seen at `now` (epoch ms). `tokens`: input of its last request, when known. */
  set(session: number, accountId: string, now: number, tokens?: number): void {
    let slot = this.#find(session);
    if (slot === NONE) slot = this.#add(session);
    else this.#unlink(slot);
    this.#account[slot] = this.#numberOf(accountId);
    this.#seenAt[slot] = now;
    if (tokens !== undefined) this.#tokens[slot] = Math.min(tokens, 0xffffffff);
    this.#append(slot);
  }

  /** An account is known by another name now; its sessions stay with it, also when the new name was known before. */
  renameAccount(from: string, to: string): void {
    const number = this.#accountNumbers.get(from);
    if (number === undefined || from === to) return;
    this.#accountNumbers.delete(from);
    const other = this.#accountNumbers.get(to);
    this.#accounts[number] = to;
    if (other === undefined) {
      this.#accountNumbers.set(to, number);
      return;
    }
    for (let slot = 0; slot < this.#size; slot++) if (this.#account[slot] === number) this.#account[slot] = other;
    this.#active[other] = (this.#active[other] as number) + (this.#active[number] as number);
    this.#active[number] = 0;
  }

  /** Takes over what another process saw last. Rebuilds the whole table: not for the path of a request. */
  merge(entries: readonly SessionEntry[]): void {
    const merged = mergeSessions([...this.entries()], entries);
    this.#clear();
    for (const { session, accountId, seenAt, tokens } of merged) this.set(session, accountId, seenAt, tokens);
  }

  #clear(): void {
    this.#size = 0;
    this.#heads.fill(NONE);
    this.#oldest = NONE;
    this.#newest = NONE;
    this.#activeFrom = NONE;
    this.#active.fill(0);
  }

  /** From the longest unseen to the one seen last. */
  *entries(): Generator<SessionEntry> {
    for (let slot = this.#oldest; slot !== NONE; slot = this.#newer[slot] as number) {
      yield {
        session: this.#ids[slot] as number,
        accountId: this.#accounts[this.#account[slot] as number] as string,
        seenAt: this.#seenAt[slot] as number,
        tokens: this.#tokens[slot] as number,
      };
    }
  }

  /** For a file: 18 bytes a session and the account names, 1.8 MB for 100,000 sessions. */
  dump(): Uint8Array {
    return packSessions([...this.entries()]);
  }

  /** Takes what `dump` gave, unless it is damaged; returns how many sessions it held. */
  load(dump: Uint8Array): number {
    const entries = unpackSessions(dump) ?? [];
    for (const { session, accountId, seenAt, tokens } of entries) this.set(session, accountId, seenAt, tokens);
    return entries.length;
  }

  #bucket(session: number): number {
    return (session ^ (session / 4294967296)) & (this.#heads.length - 1);
  }

  #find(session: number): number {
    let slot = this.#heads[this.#bucket(session)] as number;
    while (slot !== NONE && this.#ids[slot] !== session) slot = this.#chain[slot] as number;
    return slot;
  }

  #add(session: number): number {
    let slot = this.#size;
    if (this.#size >= this.#capacity) slot = this.#dropOldest();
    else if (this.#size === this.#ids.length) this.#grow();
    this.#size += 1;
    const bucket = this.#bucket(session);
    this.#ids[slot] = session;
    this.#tokens[slot] = 0;
    this.#chain[slot] = this.#heads[bucket] as number;
    this.#heads[bucket] = slot;
    return slot;
  }

  #dropOldest(): number {
    const slot = this.#oldest;
    this.#unlink(slot);
    const bucket = this.#bucket(this.#ids[slot] as number);
    let before = NONE;
    for (let at = this.#heads[bucket] as number; at !== slot; at = this.#chain[at] as number) before = at;
    if (before === NONE) this.#heads[bucket] = this.#chain[slot] as number;
    else this.#chain[before] = this.#chain[slot] as number;
    this.#size -= 1;
    return slot;
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot] as number;
    const older = this.#older[slot] as number;
    if (this.#isActive[slot] === 1) this.#countActive(slot, -1);
    if (this.#activeFrom === slot) this.#activeFrom = newer;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }

  #append(slot: number): void {
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    if (this.#activeFrom === NONE) this.#activeFrom = slot;
    this.#countActive(slot, 1);
  }

  #countActive(slot: number, change: 1 | -1): void {
    const account = this.#account[slot] as number;
    this.#active[account] = (this.#active[account] as number) + change;
    this.#isActive[slot] = change === 1 ? 1 : 0;
  }

  #numberOf(accountId: string): number {
    const known = this.#accountNumbers.get(accountId);
    if (known !== undefined) return known;
    const number = this.#accounts.push(accountId) - 1;
    this.#accountNumbers.set(accountId, number);
    this.#active.push(0);
    return number;
  }

  #grow(): void {
    const slots = this.#ids.length * 2;
    this.#ids = copyInto(new Float64Array(slots), this.#ids);
    this.#seenAt = copyInto(new Float64Array(slots), this.#seenAt);
    this.#tokens = copyInto(new Uint32Array(slots), this.#tokens);
    this.#account = copyInto(new Int32Array(slots), this.#account);
    this.#newer = copyInto(new Int32Array(slots), this.#newer);
    this.#older = copyInto(new Int32Array(slots), this.#older);
    this.#isActive = copyInto(new Uint8Array(slots), this.#isActive);
    this.#chain = new Int32Array(slots);
    this.#heads = new Int32Array(2 * slots).fill(NONE);
    for (let slot = 0; slot < this.#size; slot++) {
      const bucket = this.#bucket(this.#ids[slot] as number);
      this.#chain[slot] = this.#heads[bucket] as number;
      this.#heads[bucket] = slot;
    }
  }
}

function copyInto<A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(target: A, source: A): A {
  target.set(source);
  return target;
}
