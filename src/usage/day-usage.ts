import type { TokenUsage } from '../core/tokens/token-usage.ts';
import { OTHER, type RowNames, type UsageBounds, type UsageRow } from '../core/tokens/usage-row.ts';
import { RowIndex } from './row-index.ts';
import { Sum } from './sum.ts';
import { renderCounts, renderNames } from './usage-line.ts';

/** A row of a day: what of it waits for the disk, what is on its way there, and what is there. */
class BookRow {
  readonly names: RowNames;
  /** Recorded since the last save began. */
  open = new Sum();
  /** In the hands of the save under way. */
  saving = new Sum();
  /** In the file, as far as this process knows. */
  readonly saved = new Sum();
  #renderedNames: string | null = null;

  constructor({ day, key, account, model, session }: RowNames) {
    // A copy: most of the objects passed in die with their request. Were a few of them kept, V8 would allocate all that are
    // made in the same place in the old generation, where the dead ones stay until a full collection.
    this.names = { day, key, account, model, session };
  }

  /** A line of the day's file. */
  line(what: 'saving' | 'saved'): string {
    this.#renderedNames ??= renderNames(this.names);
    return this.#renderedNames + renderCounts(this[what].requests, this[what]);
  }
}

/**
 * The rows of one day in memory. They outlive their save, because the next request mostly belongs to one of them: counting it
 * makes nothing new then, however many rows there are. As long as no other process writes the day's file they are also all
 * that is in it, so that it is compacted without being read.
 */
export class DayUsage {
  readonly day: string;
  #rows = new RowIndex<BookRow>();
  /** Rows with something in `open`, in the order they came; so with `saving`. */
  #open: BookRow[] = [];
  #saving: BookRow[] = [];
  /** The version of the file that holds what is `saved` and nothing else; null when no version is known to. */
  #version: string | null = null;
  /** Between `savedLines` and `rewritten`, as long as no row is forgotten. */
  #isRewriting = false;

  constructor(day: string) {
    this.day = day;
  }

  /** Rows in memory. */
  get size(): number {
    return this.#rows.all.length;
  }

  /** Rows that wait for the next save. */
  get openSize(): number {
    return this.#open.length;
  }

  /** Rows that cannot be forgotten. */
  get waitingSize(): number {
    return this.#open.length + this.#saving.length;
  }

  has(names: RowNames): boolean {
    return this.#rows.find(names) !== undefined;
  }

  /** `requests`: at least 1. */
  add(names: RowNames, requests: number, tokens: TokenUsage): void {
    const row = this.#rows.find(names) ?? this.#rows.add(new BookRow(names));
    if (row.open.requests === 0) this.#open.push(row);
    row.open.add(requests, tokens);
  }

  /** Begins a save. Comes back with the lines to add to the file; `saved` or `notSaved` says what became of them. */
  take(): string {
    this.#saving = this.#open;
    this.#open = [];
    for (const row of this.#saving) [row.open, row.saving] = [row.saving, row.open];
    return this.#saving.map((row) => row.line('saving')).join('');
  }

  /** The lines were added to version `before` of the file (null: it was empty), which made it version `after`. */
  saved(before: string | null, after: string | null): void {
    if (before === null) this.#forgetSaved();
    for (const { saved, saving } of this.#saving) saved.takeFrom(saving);
    this.#saving = [];
    this.#version = before === this.#version ? after : null;
  }

  #forgetSaved(): void {
    for (const { saved } of this.#rows.all) saved.clear();
    this.#version = null;
  }

  /** The file did not get the lines. */
  notSaved(): void {
    for (const row of this.#saving) {
      if (row.open.requests === 0) this.#open.push(row);
      row.open.takeFrom(row.saving);
    }
    this.#saving = [];
  }

  /** All that this version of the file holds, summed up; null when that is not known. */
  rowsOf(version: string | null): UsageRow[] | null {
    if (version === null || version !== this.#version) return null;
    return this.#savedRows().map(({ names, saved }) => ({ ...names, ...saved.counted() }));
  }

  #savedRows(): BookRow[] {
    return this.#rows.all.filter(({ saved }) => saved.requests > 0);
  }

  /** Whether this version of the file holds nothing but what is saved of the rows, within the bounds. */
  isWithin({ sessions, models }: UsageBounds, version: string | null): boolean {
    if (version === null || version !== this.#version) return false;
    const seenSessions = new Set<string | null>([null, OTHER]);
    const seenModels = new Set<string | null>([null, OTHER]);
    for (const { names } of this.#savedRows()) {
      seenSessions.add(names.session);
      seenModels.add(names.model);
    }
    return seenSessions.size - 2 <= sessions && seenModels.size - 2 <= models;
  }

  /** From now on these rows, no two of which count together, are what is saved. Not between `take` and `saved`. */
  refill(rows: readonly UsageRow[]): void {
    const known = this.#rows;
    this.forgetIdle();
    for (const { requests, tokens, ...names } of rows) {
      const row = this.#rows.find(names) ?? this.#rows.add(known.find(names) ?? new BookRow(names));
      row.saved.clear();
      row.saved.add(requests, tokens);
    }
  }

  /** What is saved, as the file says it shortest. */
  savedLines(): string {
    this.#isRewriting = true;
    return this.#savedRows()
      .map((row) => row.line('saved'))
      .join('');
  }

  /** The file holds the `savedLines` now, and nothing else. */
  rewritten(version: string | null): void {
    this.#version = this.#isRewriting ? version : null;
    this.#isRewriting = false;
  }

  /** Keeps in memory only the rows that wait for the disk. */
  forgetIdle(): void {
    this.#rows = new RowIndex();
    for (const row of new Set([...this.#open, ...this.#saving])) {
      row.saved.clear();
      this.#rows.add(row);
    }
    this.#version = null;
    this.#isRewriting = false;
  }
}
