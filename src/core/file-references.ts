const SCHEME = 'ms://';
const FILES_MAX = 16;
const ID_MAX = 128;
/** The upstream takes 2 MiB of messages (docs/kimi-api.md#limits). */
const SEARCH_BYTES = 2 * 1024 * 1024 + 65_536;

/**
 * Ids of uploaded files that a body names (`ms://<id>`, docs/kimi-api.md#files), each once, the first 16. The search
 * reads the whole body: ask only while a file is known to have been uploaded.
 */
export function findFileReferences(chunks: readonly Buffer[]): readonly string[] {
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks as Buffer[]);
  const bytes = body.subarray(0, SEARCH_BYTES);
  const ids: string[] = [];
  for (let at = bytes.indexOf(SCHEME); at !== -1 && ids.length < FILES_MAX; at = bytes.indexOf(SCHEME, at + SCHEME.length)) {
    const from = at + SCHEME.length;
    let to = from;
    while (to - from < ID_MAX && isIdByte(bytes[to])) to += 1;
    const id = bytes.toString('latin1', from, to);
    if (id !== '' && !ids.includes(id)) ids.push(id);
  }
  return ids;
}

/** Letters, digits, `-`, `_`, `.`. */
function isIdByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x5f ||
    byte === 0x2e
  );
}
