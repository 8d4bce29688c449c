/** A JSON object of unknown content. Read through `fieldOf`, which sees own fields only. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Undefined for a text that is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function recordOf(value: unknown): JsonRecord | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRecord) : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return recordOf(value) !== null;
}

/** The first of the named own fields that is present; null counts as absent. */
export function fieldOf(record: JsonRecord | null, ...names: readonly string[]): unknown {
  if (record === null) return undefined;
  for (const name of names) {
    if (!Object.hasOwn(record, name)) continue;
    const value = record[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

const DECIMAL = /^[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?$/;
/** Beyond any quota or time stamp (nanoseconds are about 2e18); keeps sums of two values finite. */
const LARGEST = 1e30;

/** A number, or a decimal string as protobuf writes 64-bit numbers; null for all else, infinities included. */
export function numberOf(value: unknown): number | null {
  const number = typeof value === 'string' ? decimalOf(value) : value;
  return typeof number === 'number' && Math.abs(number) <= LARGEST ? number : null;
}

function decimalOf(text: string): number | null {
  if (text.length > 90) return null;
  const trimmed = text.trim();
  return DECIMAL.test(trimmed) ? Number(trimmed) : null;
}
