/** What is remembered of a session. */
export type SessionEntry = {
  readonly session: number;
  readonly accountId: string;
  /** Epoch ms; to the second after a dump. */
  readonly seenAt: number;
  /** Input tokens of its last request: what a move would have to read again. */
  readonly tokens: number;
};

const MAGIC = 0x6b6d6931;
const ENTRY_BYTES = 18;
const HEADER_BYTES = 12;

/**
 * A table of sessions as bytes: magic, length of the names, count (32 bits each), the account names as a JSON array, then
 * for each session its id (64-bit float), account (16 bits), tokens and time (32 bits, seconds). Big-endian.
 */
export function packSessions(entries: readonly SessionEntry[]): Uint8Array {
  const numbers = new Map<string, number>();
  for (const { accountId } of entries) if (!numbers.has(accountId)) numbers.set(accountId, numbers.size);
  const names = new TextEncoder().encode(JSON.stringify([...numbers.keys()]));
  const bytes = new Uint8Array(HEADER_BYTES + names.length + entries.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, names.length);
  view.setUint32(8, entries.length);
  bytes.set(names, HEADER_BYTES);
  let at = HEADER_BYTES + names.length;
  for (const { session, accountId, seenAt, tokens } of entries) {
    view.setFloat64(at, session);
    view.setUint16(at + 8, numbers.get(accountId) as number);
    view.setUint32(at + 10, tokens);
    view.setUint32(at + 14, Math.floor(seenAt / 1000));
    at += ENTRY_BYTES;
  }
  return bytes;
}

/** null when the bytes are no such table, or not all of one. */
export function unpackSessions(bytes: Uint8Array): readonly SessionEntry[] | null {
  if (bytes.length < HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const namesLength = view.getUint32(4);
  const count = view.getUint32(8);
  const start = HEADER_BYTES + namesLength;
  if (view.getUint32(0) !== MAGIC || bytes.length !== start + count * ENTRY_BYTES) return null;
  const names = namesIn(bytes.subarray(HEADER_BYTES, start));
  if (names === null) return null;
  const entries: SessionEntry[] = [];
  for (let at = start; at < bytes.length; at += ENTRY_BYTES) {
    const session = view.getFloat64(at);
    const accountId = names[view.getUint16(at + 8)];
    if (!Number.isSafeInteger(session) || session <= 0 || accountId === undefined) return null;
    entries.push({ session, accountId, tokens: view.getUint32(at + 10), seenAt: view.getUint32(at + 14) * 1000 });
  }
  return entries;
}

function namesIn(bytes: Uint8Array): readonly string[] | null {
  try {
    const names: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(names) && names.every((name): name is string => typeof name === 'string') ? names : null;
  } catch {
    return null;
  }
}

/** One entry a session, the newer where both know it, from the longest unseen to the one seen last. */
export function mergeSessions(ours: readonly SessionEntry[], theirs: readonly SessionEntry[]): readonly SessionEntry[] {
  const newest = new Map(ours.map((entry) => [entry.session, entry]));
  for (const entry of theirs) {
    const known = newest.get(entry.session);
    if (known === undefined || known.seenAt < entry.seenAt) newest.set(entry.session, entry);
  }
  return [...newest.values()].sort((a, b) => a.seenAt - b.seenAt);
}
