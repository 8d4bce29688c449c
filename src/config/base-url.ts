import { isReference } from '../core/keys/placeholder.ts';
import { apiBesideSite, kimiProductAt } from '../core/network/kimi-hosts.ts';
import { isLoopbackHost } from './loopback.ts';

/**
 * The normalised base URL of an upstream, without a slash at its end; null when it is not acceptable: `https://`, or
 * `http://` for this machine, without user, query or fragment, and no web site of Kimi's. What people paste that can mean one
 * thing only is completed: a missing scheme, `http://` before a host of Kimi's, an endpoint at the end, `/v1` twice, quotes
 * and brackets around it, and the path that Kimi's own pages give for clients that put the `/v1` themselves.
 */
export function parseBaseUrl(value: string): string | null {
  const address = parseAddress(value);
  return address === null || apiBesideSite(new URL(address).hostname) !== null ? null : address;
}

/** Why an address is no base URL, for those that are well formed and are none all the same. Completes "it ...". */
export function whyNoBaseUrl(value: string): string | null {
  const address = parseAddress(value);
  const api = address === null ? null : apiBesideSite(new URL(address).hostname);
  return api === null ? null : `is a web site, not the API; the base URL is ${api}`;
}

/** A base URL as far as its form goes: also that of a web site. */
export function parseAddress(value: string): string | null {
  if (isReference(value)) return null;
  const url = toUrl(withScheme(unwrap(value)));
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  const isKimis = kimiProductAt(url.hostname) !== null || apiBesideSite(url.hostname) !== null;
  if (url.protocol === 'http:' && isKimis && url.port === '') url.protocol = 'https:';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) return null;
  return url.origin + completePath(url);
}

/** Pairs that come along from code, prose and mail. */
const WRAPPERS: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '<': '>', '“': '”', '‘': '’' };

/** Without quotes and angle brackets around it, and commas and semicolons after it. */
function unwrap(text: string): string {
  let start = 0;
  let end = text.length;
  for (;;) {
    const [first = '', last = ''] = [text[start], text[end - 1]];
    if (start < end && first.trim() === '') start += 1;
    else if (start < end && (last.trim() === '' || last === ',' || last === ';')) end -= 1;
    else if (end - start > 1 && Object.hasOwn(WRAPPERS, first) && WRAPPERS[first] === last) [start, end] = [start + 1, end - 1];
    else return text.slice(start, end);
  }
}

/** `host/path` and `host:port/path`; a host has a dot, or is this machine. */
const WITHOUT_SCHEME = /^((?:[a-z0-9-]+\.)+[a-z0-9-]+|localhost|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:\/|$)/i;

function withScheme(text: string): string {
  const host = WITHOUT_SCHEME.exec(text)?.[1];
  if (host === undefined) return text;
  return `${isLoopbackHost(host) ? 'http' : 'https'}://${text}`;
}

/** No base URL ends so: the whole address of an endpoint was copied. */
const ENDPOINT =
  /\/chat\/completions$|(?<=\/(?:v1|coding))\/(?:completions|messages|messages\/count_tokens|responses(?:\/compact)?|models|usages|me|users\/me\/balance|embeddings|files)$/;

function completePath({ hostname, pathname }: URL): string {
  const path = withoutTrailingSlashes(pathname.replace(/\/{2,}/g, '/'))
    .replace(ENDPOINT, '')
    .replace(/(?:\/v1){2,}$/, '/v1')
    // The coding plan's API is at /coding/v1; Claude Code and the like are given /coding/.
    .replace(/\/coding$/, '/coding/v1');
  switch (kimiProductAt(hostname)) {
    case 'coding':
      return path === '' || path === '/v1' ? '/coding/v1' : path;
    case 'platform':
      // Requests of Anthropic's protocol find their own way from there (`upstream-targets`).
      return path === '' || path === '/anthropic' || path === '/anthropic/v1' ? '/v1' : path;
    case null:
      return path;
  }
}

/** A loop, because a pattern for it takes time that grows with the square of a run of slashes. */
export function withoutTrailingSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === '/') end -= 1;
  return text.slice(0, end);
}

function toUrl(value: string): URL | null {
  try {
    return new URL(value);
  } catch {
    return null;
  }
}
