/** Headers of one connection, not of the message (RFC 9110 section 7.6.1), and those that only make sense to a proxy. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What a client sends for the proxy or about itself that must not reach the upstream, or is written anew. */
const NOT_FORWARDED = new Set([
  ...HOP_BY_HOP,
  'host',
  'content-length',
  'expect',
  'authorization',
  'x-api-key',
  'x-kmi-proxy-token',
  'cookie',
]);

/** How a request names its credential: the proxy answers in kind. */
export type ClientHeaders = {
  /** Flat name, value, name, value …, without credentials and hop-by-hop headers; names as the client wrote them. */
  readonly forwarded: readonly string[];
  /** The client used `x-api-key` (Anthropic's way). */
  readonly usesApiKey: boolean;
};

/** Splits what goes on from what stays. `raw` is Node's flat list, so repetitions and spelling survive. */
export function splitRequestHeaders(raw: readonly string[]): ClientHeaders {
  const connectionOptions = namedByConnection(raw);
  const forwarded: string[] = [];
  let usesApiKey = false;
  for (let n = 0; n < raw.length; n += 2) {
    const name = raw[n] as string;
    const lower = name.toLowerCase();
    if (lower === 'x-api-key') usesApiKey = true;
    if (NOT_FORWARDED.has(lower) || connectionOptions?.has(lower)) continue;
    forwarded.push(name, raw[n + 1] as string);
  }
  return { forwarded, usesApiKey };
}

/** The upstream request's headers: the client's, with this key as credential in the client's own form. */
export function withCredential(client: ClientHeaders, keyValue: string, contentLength: number | null): string[] {
  const headers = client.forwarded.slice();
  headers.push('authorization', `Bearer ${keyValue}`);
  if (client.usesApiKey) headers.push('x-api-key', keyValue);
  if (contentLength !== null) headers.push('content-length', String(contentLength));
  return headers;
}

/** The upstream's headers as they came, less those of its connection. */
export function responseHeaders(raw: readonly (Buffer | string)[]): string[] {
  const flat = raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
  const connectionOptions = namedByConnection(flat);
  const headers: string[] = [];
  for (let n = 0; n < flat.length; n += 2) {
    const name = flat[n] as string;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || connectionOptions?.has(lower)) continue;
    headers.push(name, flat[n + 1] as string);
  }
  return headers;
}

/** First value of a header in a flat list; `name` in lower case. */
export function headerOf(flat: readonly string[], name: string): string | undefined {
  for (let n = 0; n < flat.length; n += 2) {
    if ((flat[n] as string).toLowerCase() === name) return flat[n + 1];
  }
  return undefined;
}

/** Headers that a `Connection` header declares to be of this connection only. Usually there are none. */
function namedByConnection(flat: readonly string[]): Set<string> | null {
  let named: Set<string> | null = null;
  for (let n = 0; n < flat.length; n += 2) {
    const name = flat[n] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const option of (flat[n + 1] as string).split(',')) {
      const lower = option.trim().toLowerCase();
      if (lower === '' || lower === 'keep-alive' || lower === 'close') continue;
      named ??= new Set();
      named.add(lower);
    }
  }
  return named;
}
