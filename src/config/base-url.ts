import { isReference } from '../core/keys/placeholder.ts';
import { kimiProductAt } from '../core/network/kimi-hosts.ts';
import { isLoopbackHost } from './loopback.ts';

/**
 * The normalised base URL of an upstream, without a slash at its end; null when it is not acceptable: `https://`, or
 * `http://` for this machine, without user, query or fragment. What people paste that can mean one thing only is completed:
 * a missing scheme, `http://` before a host of Kimi's, an endpoint at the end, `/v1` twice, and the path that Kimi's own
 * pages give for clients that put the `/v1` themselves.
 */
export function parseBaseUrl(value: string): string | null {
  const url = isReference(value) ? null : toUrl(withScheme(value.trim()));
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  const isKimis = kimiProductAt(url.hostname) !== null;
  if (url.protocol === 'http:' && isKimis && url.port === '') url.protocol = 'https:';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) return null;
  return url.origin + completePath(url);
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
  /\/chat\/completions$|(?<=\/(?:v1|coding))\/(?:completions|messages|messages\/count_tokens|responses|models|usages|me)$/;

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
