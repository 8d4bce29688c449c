/** What the proxy does with a request header, by name. */
type Kind =
  | 'forward'
  | 'drop'
  | 'host'
  | 'origin'
  | 'fetch-site'
  | 'authorization'
  | 'api-key'
  | 'token'
  | 'length'
  | 'encoding'
  | 'connection'
  | 'upgrade'
  | 'websocket'
  | 'via'
  | 'content-encoding';

/** Headers of one connection, not of the message (RFC 9110 section 7.6.1), and those that only make sense to a proxy. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** By lower-case name; also holds the spellings seen, so that a name is lowered once and not with every request. */
const requestKinds = new Map<string, Kind>([
  ...HOP_BY_HOP.map((name): [string, Kind] => [name, 'drop']),
  // What a client sends for the proxy or about itself must not reach the upstream.
  ['cookie', 'drop'],
  ['expect', 'drop'],
  ['host', 'host'],
  ['origin', 'origin'],
  ['sec-fetch-site', 'fetch-site'],
  ['authorization', 'authorization'],
  ['x-api-key', 'api-key'],
  ['x-kmi-proxy-token', 'token'],
  ['content-length', 'length'],
  ['transfer-encoding', 'encoding'],
  ['connection', 'connection'],
  ['upgrade', 'upgrade'],
  ['sec-websocket-key', 'websocket'],
  ['via', 'via'],
  ['content-encoding', 'content-encoding'],
]);

/** What the proxy does with an answer's header, by name. */
type AnswerKind = 'forward' | 'drop' | 'connection' | 'length' | 'type' | 'encoding';

const answerKinds = new Map<string, AnswerKind>([
  ...HOP_BY_HOP.map((name): [string, AnswerKind] => [name, 'drop']),
  ['connection', 'connection'],
  ['content-length', 'length'],
  ['content-type', 'type'],
  ['content-encoding', 'encoding'],
]);

/** Spellings remembered at most; clients use a few dozen, an attacker must not fill the memory. */
const SPELLINGS_MAX = 1000;

/** Whether any name in the table is as long as this: most headers are told apart by that alone. */
const kindLengths = [...requestKinds.keys()].reduce<boolean[]>((lengths, name) => {
  lengths[name.length] = true;
  return lengths;
}, []);

function kindOf(name: string): Kind {
  return kindLengths[name.length] === true ? remembered(requestKinds, name, 'forward') : 'forward';
}

function remembered<Value>(known: Map<string, Value>, name: string, fallback: Value): Value {
  const value = known.get(name);
  if (value !== undefined) return value;
  const found = known.get(name.toLowerCase()) ?? fallback;
  if (known.size < SPELLINGS_MAX) known.set(name, found);
  return found;
}

/** A request's headers, taken apart in one pass over Node's flat list, so that repetitions and spelling survive. */
export type RequestHead = {
  /** Flat name, value, name, value …: what goes on to the upstream. */
  forwarded: string[];
  /** How long `forwarded` is without a credential. */
  forwardedLength: number;
  host: string | null;
  hostCount: number;
  origin: string | null;
  fetchSite: string | null;
  authorization: string[];
  tokens: string[];
  apiKeys: string[];
  /** `content-length` as announced; null when absent. */
  length: string | null;
  isChunked: boolean;
  /** It tries to open a WebSocket. */
  wantsWebSocket: boolean;
  /** The proxies it came through, as they say (RFC 9110 section 7.6.3); null when none does. */
  via: string | null;
  /** How the body is compressed, as the client says; null when it is not. */
  contentEncoding: string | null;
};

const NONE: string[] = [];

/** Among the protocols of an `Upgrade`; others, such as h2c, are an offer that a server may ignore (RFC 9110 section 7.8). */
const WEBSOCKET = /(?:^|,)[ \t]*websocket[ \t]*(?:\/|,|$)/i;

export function readHead(raw: readonly string[]): RequestHead {
  const head: RequestHead = {
    forwarded: [],
    forwardedLength: 0,
    host: null,
    hostCount: 0,
    origin: null,
    fetchSite: null,
    authorization: NONE,
    tokens: NONE,
    apiKeys: NONE,
    length: null,
    isChunked: false,
    wantsWebSocket: false,
    via: null,
    contentEncoding: null,
  };
  let connection: string | null = null;
  for (let n = 0; n < raw.length; n += 2) {
    const name = raw[n] as string;
    const value = raw[n + 1] as string;
    switch (kindOf(name)) {
      case 'forward':
        head.forwarded.push(name, value);
        break;
      case 'host':
        head.host = value;
        head.hostCount += 1;
        break;
      case 'origin':
        head.origin = value;
        head.forwarded.push(name, value);
        break;
      case 'fetch-site':
        head.fetchSite = value;
        head.forwarded.push(name, value);
        break;
      case 'authorization':
        head.authorization = [...head.authorization, value];
        break;
      case 'token':
        head.tokens = [...head.tokens, value];
        break;
      case 'api-key':
        head.apiKeys = [...head.apiKeys, value];
        break;
      case 'length':
        head.length = value;
        break;
      case 'encoding':
        head.isChunked = true;
        break;
      case 'content-encoding':
        head.contentEncoding = head.contentEncoding === null ? value : `${head.contentEncoding},${value}`;
        head.forwarded.push(name, value);
        break;
      case 'connection':
        connection = connection === null ? value : `${connection},${value}`;
        break;
      case 'upgrade':
        if (WEBSOCKET.test(value)) head.wantsWebSocket = true;
        break;
      // What is left of the attempt behind a proxy that drops Upgrade; nothing else has this header.
      case 'websocket':
        head.wantsWebSocket = true;
        head.forwarded.push(name, value);
        break;
      case 'via':
        head.via = head.via === null ? value : `${head.via}, ${value}`;
        head.forwarded.push(name, value);
        break;
      case 'drop':
        break;
    }
  }
  const named = connection === null ? null : optionsNamedBy(connection);
  if (named !== null) head.forwarded = without(head.forwarded, named);
  head.forwardedLength = head.forwarded.length;
  return head;
}

/** A key as headers give it: by itself, and with `Bearer ` before it. */
export type Credential = { readonly value: string; readonly bearer: string };

/**
 * The upstream request's headers: the client's, with this key as credential in the client's own form. The list is the head's
 * own, without a copy: good until the next call.
 */
export function withCredential(head: RequestHead, { value, bearer }: Credential, contentLength: number | null): string[] {
  const headers = head.forwarded;
  headers.length = head.forwardedLength;
  headers.push('authorization', bearer);
  if (head.apiKeys.length > 0) headers.push('x-api-key', value);
  if (contentLength !== null) headers.push('content-length', String(contentLength));
  return headers;
}

/** An answer's head, taken apart in one pass. */
export type AnswerHead = {
  readonly status: number;
  readonly reason: string;
  /** Flat name, value, name, value …: as they came, less those of the upstream's connection. */
  readonly headers: readonly string[];
  /** `content-length`, `content-type` and `content-encoding` as given; undefined when absent. */
  readonly length: string | undefined;
  readonly contentType: string | undefined;
  readonly encoding: string | undefined;
};

export function readAnswerHead(status: number, reason: string, raw: readonly (Buffer | string)[]): AnswerHead {
  const headers: string[] = [];
  let connection: string | null = null;
  let length: string | undefined;
  let contentType: string | undefined;
  let encoding: string | undefined;
  for (let n = 0; n < raw.length; n += 2) {
    const name = text(raw[n] as Buffer | string);
    const value = text(raw[n + 1] as Buffer | string);
    switch (remembered(answerKinds, name, 'forward')) {
      case 'drop':
        continue;
      case 'connection':
        connection = value;
        continue;
      case 'length':
        length ??= value;
        break;
      case 'type':
        contentType ??= value;
        break;
      case 'encoding':
        encoding ??= value;
        break;
      case 'forward':
        break;
    }
    headers.push(name, value);
  }
  const named = connection === null ? null : optionsNamedBy(connection);
  return { status, reason, headers: named === null ? headers : without(headers, named), length, contentType, encoding };
}

function text(part: Buffer | string): string {
  return typeof part === 'string' ? part : part.toString('latin1');
}

/** Headers that a `Connection` value declares to be of this connection only; usually there are none (null). */
function optionsNamedBy(connection: string): Set<string> | null {
  if (connection === 'keep-alive' || connection === 'close') return null;
  const named = connection
    .split(',')
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== '' && option !== 'keep-alive' && option !== 'close');
  return named.length === 0 ? null : new Set(named);
}

function without(flat: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let n = 0; n < flat.length; n += 2) {
    if (!names.has((flat[n] as string).toLowerCase())) kept.push(flat[n] as string, flat[n + 1] as string);
  }
  return kept;
}
