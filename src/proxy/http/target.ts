import { KmiError } from '../../errors.ts';

/** Where a request goes below the upstream base, as the client wrote it. */
export type Target = {
  /** Path below the base, with a leading slash, without query: "/chat/completions". */
  readonly endpoint: string;
  /** With the leading `?`, or empty. */
  readonly query: string;
};

/**
 * What can make a path mean something else on the way than here: a backslash, an encoded slash, backslash, dot or control
 * character (also encoded twice), a segment of dots (with or without a matrix parameter, or spaces that a reader may
 * trim), an empty segment, a fragment, anything that is not visible ASCII.
 */
const UNSAFE = /\\|%(?:25)*(?:2f|5c|2e|[01][0-9a-f]|7f)|\/(?:%(?:25)*20)*\.{1,2}(?:%(?:25)*20)*(?:[/;]|$)|\/\/|#|[^\x21-\x7e]/i;

/**
 * Reads a request line's target against the base path. Null when it lies outside. Throws `bad_path` for a path that
 * could leave the upstream's base. `/v1/v1/...`, a client's base URL with one `/v1` too many, is read as `/v1/...`.
 */
export function parseTarget(url: string, basePath: string): Target | null {
  if (!url.startsWith(basePath)) return null;
  const queryStart = url.indexOf('?');
  const path = queryStart === -1 ? url.slice(basePath.length) : url.slice(basePath.length, queryStart);
  if (path !== '' && !path.startsWith('/')) return null;
  if (UNSAFE.test(path)) throw new KmiError('bad_path', `The path of the request ${whatIsWrong(path)}.`);
  const query = queryStart === -1 ? '' : url.slice(queryStart);
  if (query !== '' && /[^\x21-\x7e]|#/.test(query)) throw new KmiError('bad_path', 'The query of the request is not plain.');
  const doubled = basePath.endsWith('/v1') && (path === '/v1' || path.startsWith('/v1/'));
  return { endpoint: doubled ? path.slice(3) || '/' : path || '/', query };
}

function whatIsWrong(path: string): string {
  return UNSAFE.test(path.replace(/\/{2,}/g, '/')) ? 'is not plain' : 'has a slash too many';
}

/** `/messages` and below speak Anthropic's protocol, everything else OpenAI's. */
export function isAnthropic(endpoint: string): boolean {
  return endpoint === '/messages' || endpoint.startsWith('/messages/');
}
