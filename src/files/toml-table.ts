/** A table of a parsed TOML or JSON file. Its names come from a file: look them up with `own`, never with a dot. */
export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The table's own value of that name; undefined for what only a prototype has (`__proto__`, `constructor`). */
export function own(table: Table, name: string): unknown {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
