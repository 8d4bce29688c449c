import { addCounts, OTHER, rowId, type UsageRow } from '../core/usage-row.ts';

/** Rows that wait for the disk. Full, it counts new sessions together, so that a disk that refuses costs bounded memory. */
export class PendingUsage {
  readonly #maxRows: number;
  #rows = new Map<string, UsageRow>();

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  get size(): number {
    return this.#rows.size;
  }

  add(row: UsageRow): void {
    const isFull = this.#rows.size >= this.#maxRows && !this.#rows.has(rowId(row));
    // Beyond the bound only days, keys and accounts make new rows.
    const kept = isFull ? { ...row, model: OTHER, session: OTHER } : row;
    const id = rowId(kept);
    const known = this.#rows.get(id);
    if (known === undefined) this.#rows.set(id, kept);
    else this.#rows.set(id, { ...kept, ...addCounts(known, kept) });
  }

  /** Takes all rows out. */
  take(): UsageRow[] {
    const rows = [...this.#rows.values()];
    this.#rows = new Map();
    return rows;
  }
}
