import { addTokens } from '../core/token-usage.ts';
import { OTHER, rowId, type UsageRow } from '../core/usage-row.ts';

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
    const id = rowId(row);
    const known = this.#rows.get(id);
    if (known !== undefined) {
      const tokens = addTokens(known.tokens, row.tokens);
      this.#rows.set(id, { ...known, requests: known.requests + row.requests, tokens });
    } else if (this.#rows.size < this.#maxRows) {
      this.#rows.set(id, row);
    } else {
      this.#addFolded({ ...row, session: OTHER, model: OTHER });
    }
  }

  /** Takes all rows out. */
  take(): UsageRow[] {
    const rows = [...this.#rows.values()];
    this.#rows = new Map();
    return rows;
  }

  /** Beyond the bound only keys, accounts and days make new rows. */
  #addFolded(row: UsageRow): void {
    const id = rowId(row);
    const known = this.#rows.get(id);
    if (known === undefined) this.#rows.set(id, row);
    else {
      const tokens = addTokens(known.tokens, row.tokens);
      this.#rows.set(id, { ...known, requests: known.requests + row.requests, tokens });
    }
  }
}
