import { join } from 'node:path';
import type { Clock } from '../core/text/time.ts';
import { stampPerSecond, type Zone } from '../core/text/zoned-time.ts';
import { NO_TOKENS, type TokenUsage } from '../core/tokens/token-usage.ts';
import { foldUsage, OTHER, type RowNames } from '../core/tokens/usage-row.ts';
import { reasonOf } from '../errors.ts';
import { makePrivateFolder } from '../files/private.ts';
import {
  type Appended,
  appendToDay,
  isTooLarge,
  OPEN_DAY,
  readDay,
  replaceDay,
  syncDay,
  tidyDays,
  usageFolder,
} from './day-file.ts';
import { DayUsage } from './day-usage.ts';

export type UsageLedgerOptions = {
  readonly stateDir: string;
  /** Days begin at midnight of this zone. */
  readonly zone: Zone;
  readonly clock: Clock;
  /** Runs the work while no other process runs work under the same path. */
  readonly lock: <Result>(path: string, work: () => Promise<Result>) => Promise<Result>;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
};

/** What requests took, as the proxy learns it. */
export type UsageRecord = {
  /** Epoch ms; decides the day. */
  readonly at: number;
  readonly keyLabel: string;
  readonly account: string | null;
  readonly model: string | null;
  readonly session: string | null;
  /** null: the answer did not say. */
  readonly usage: TokenUsage | null;
  /** Default 1. */
  readonly requests?: number;
};

/** Between the beginnings of two saves: a crash loses what was recorded in this time, and while it was being written. */
const FLUSH_MS = 500;
/** The least between the end of a save and the next. */
const SOON_MS = 50;
const COMPLAIN_EVERY_MS = 60_000;
/** Rows in memory, of some 700 bytes; so many are different only in a very busy proxy, or wait when the disk refuses. */
const ROWS_MAX = 20_000;
/** Names come from answers and requests; none needs more. */
const NAME_MAX = 100;

/** Counts tokens at memory speed and saves them within a second. Never throws, never makes a request wait. */
export class UsageLedger {
  readonly #options: UsageLedgerOptions;
  readonly #folder: string;
  readonly #stamp: (epochMs: number) => string;
  /** By day; seldom more than one. */
  readonly #books = new Map<string, DayUsage>();
  readonly #compactedSizes = new Map<string, number>();
  #lastDay = { stamp: '', day: '' };
  #timer: NodeJS.Timeout | null = null;
  #saving: Promise<void> | null = null;
  readonly #unsynced = new Set<string>();
  #syncing: Promise<void> | null = null;
  #isClosed = false;
  #tidiedFor: string | null = null;
  #lastComplaint = Number.NEGATIVE_INFINITY;

  constructor(options: UsageLedgerOptions) {
    this.#options = options;
    this.#folder = usageFolder(options.stateDir);
    this.#stamp = stampPerSecond(options.zone);
  }

  record({ at, keyLabel, account, model, session, usage, requests = 1 }: UsageRecord): void {
    const names = { day: this.#dayOf(at), key: keyLabel, account: short(account), model: short(model), session: short(session) };
    this.#bookOf(names.day).add(this.#bounded(names), requests, usage ?? NO_TOKENS);
    this.#schedule();
  }

  #bookOf(day: string): DayUsage {
    const known = this.#books.get(day);
    if (known !== undefined) return known;
    const book = new DayUsage(day);
    this.#books.set(day, book);
    return book;
  }

  /** Beyond the bound rows that are saved are forgotten. When most are not, new ones are counted together by day, key and account. */
  #bounded(names: RowNames): RowNames {
    if (this.#count('size') < ROWS_MAX || this.#bookOf(names.day).has(names)) return names;
    if (this.#count('waitingSize') > ROWS_MAX / 2) return { ...names, model: OTHER, session: OTHER };
    for (const book of this.#books.values()) book.forgetIdle();
    return names;
  }

  #count(what: 'size' | 'openSize' | 'waitingSize'): number {
    let count = 0;
    for (const book of this.#books.values()) count += book[what];
    return count;
  }

  /** Saves what is pending. Comes back when that is done or has failed; what failed is tried again. */
  async flush(): Promise<void> {
    await this.#saving;
    if (this.#count('openSize') > 0) await this.#startSave();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.flush();
    await this.#syncing;
  }

  #dayOf(at: number): string {
    const stamp = this.#stamp(at);
    if (stamp !== this.#lastDay.stamp) this.#lastDay = { stamp, day: stamp.slice(0, 10) };
    return this.#lastDay.day;
  }

  #schedule(inMs = FLUSH_MS): void {
    if (this.#isClosed || this.#timer !== null || this.#saving !== null) return;
    this.#timer = setTimeout(() => void this.#startSave(), inMs).unref();
  }

  #startSave(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const startedAt = performance.now();
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null;
      // What came while a slow disk wrote has waited already.
      if (this.#count('openSize') > 0) this.#schedule(Math.max(SOON_MS, FLUSH_MS - (performance.now() - startedAt)));
    });
    return this.#saving;
  }

  async #save(): Promise<void> {
    const batches = [...this.#books.values()]
      .filter(({ openSize }) => openSize > 0)
      .map((book) => ({ book, lines: book.take() }));
    const unsaved = new Set(batches);
    try {
      await makePrivateFolder(this.#folder);
      await this.#options.lock(join(this.#folder, 'ledger'), async () => {
        for (const batch of batches) {
          const { book, lines } = batch;
          const appended = await appendToDay(this.#folder, book.day, lines);
          book.saved(appended.before, appended.after);
          unsaved.delete(batch);
          this.#sync(book.day);
          await this.#keepSmall(book, appended);
        }
      });
    } catch (error) {
      for (const { book } of unsaved) book.notSaved();
      this.#complain('The token accounts cannot be saved; they are kept in memory and tried again.', error);
    }
    this.#forgetOtherDays();
  }

  /** Beside the next saves: a slow disk must not hold them up. */
  #sync(day: string): void {
    this.#unsynced.add(day);
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = null;
    });
  }

  async #syncAll(): Promise<void> {
    // What is added meanwhile comes up as well.
    for (const day of this.#unsynced) {
      this.#unsynced.delete(day);
      await syncDay(this.#folder, day);
    }
  }

  /** Under the lock. A failure here costs no count. */
  async #keepSmall(book: DayUsage, { after, size }: Appended): Promise<void> {
    const { day } = book;
    try {
      const today = this.#dayOf(this.#options.clock());
      if (this.#tidiedFor !== today) {
        this.#tidiedFor = today;
        this.#compactedSizes.clear();
        await tidyDays(this.#folder, today);
      }
      // Just now, or long ago, compacted for good.
      if (day < today) return;
      if (!isTooLarge(size, this.#compactedSizes.get(day) ?? 0)) return;
      if (!book.isWithin(OPEN_DAY, after))
        book.refill(foldUsage(book.rowsOf(after) ?? (await readDay(this.#folder, day)), OPEN_DAY));
      const compacted = await replaceDay(this.#folder, day, book.savedLines());
      book.rewritten(compacted.version);
      this.#compactedSizes.set(day, compacted.size);
      if (book.size > ROWS_MAX) book.forgetIdle();
    } catch (error) {
      this.#complain('The files of the token accounts cannot be compacted.', error);
    }
  }

  #forgetOtherDays(): void {
    const today = this.#dayOf(this.#options.clock());
    for (const { day, openSize } of this.#books.values()) if (day !== today && openSize === 0) this.#books.delete(day);
  }

  #complain(message: string, error: unknown): void {
    const now = performance.now();
    if (now - this.#lastComplaint < COMPLAIN_EVERY_MS) return;
    this.#lastComplaint = now;
    this.#options.log.warn(message, { reason: reasonOf(error) });
  }
}

function short(name: string | null): string | null {
  return name === null || name.length <= NAME_MAX ? name : name.slice(0, NAME_MAX);
}
