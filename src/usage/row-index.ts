import type { RowNames } from '../core/tokens/usage-row.ts';

/** Rows of one day, found by their names without putting these together. */
export class RowIndex<Row extends { readonly names: RowNames }> {
  /** By key, then by session; of these there are seldom two that differ in model or account. */
  readonly #rows = new Map<string, Map<string | null, Row[]>>();
  readonly #all: Row[] = [];

  /** In the order they were added. */
  get all(): readonly Row[] {
    return this.#all;
  }

  find({ key, session, model, account }: RowNames): Row | undefined {
    const rows = this.#rows.get(key)?.get(session);
    if (rows === undefined) return undefined;
    for (const row of rows) if (row.names.model === model && row.names.account === account) return row;
    return undefined;
  }

  /** Adds a row that is not in it. */
  add(row: Row): Row {
    const { key, session } = row.names;
    let ofKey = this.#rows.get(key);
    if (ofKey === undefined) {
      ofKey = new Map();
      this.#rows.set(key, ofKey);
    }
    const rows = ofKey.get(session);
    if (rows === undefined) ofKey.set(session, [row]);
    else rows.push(row);
    this.#all.push(row);
    return row;
  }
}
