import type { Target } from './target.ts';

/** The endpoints clients call, exactly. */
const ENDPOINTS = [
  '/chat/completions',
  '/completions',
  '/embeddings',
  '/responses',
  '/messages',
  '/messages/count_tokens',
  '/models',
  '/usages',
  '/me',
  '/files',
  '/search',
  '/fetch',
  '/tools',
  '/feedback',
  '/client_configs',
];

const KNOWN = new Set(ENDPOINTS);

/** An empty id is no slash too many. */
const NO_ID = /\/(?:files|models|responses)\/\//;

/** One of a collection, by an id without anything that a server could read as a way out. */
const ONE_OF = /^\/(?:files|models|responses)\/[\w-]+(?:\.[\w-]+)*(?:\/content)?$/;

/** The whole address of an endpoint given as base URL: the client puts the endpoint behind it once more. */
const ENDPOINT_AS_BASE = /^\/(?:chat\/completions|messages|responses)(?=\/)/;

/**
 * Reads a target that is written wrong in a way base URLs are, and yet can mean one thing only: slashes too many, the base
 * path or its `/v1` too often or not at all, an endpoint's whole address as base URL. Null unless what is left is exactly
 * an endpoint clients call. A target that is written right is read in the same way.
 */
export function readMisspelt(url: string, basePath: string): Target | null {
  const queryStart = url.indexOf('?');
  const path = (queryStart === -1 ? url : url.slice(0, queryStart)).replace(/\/{2,}/g, '/');
  const query = queryStart === -1 ? '' : url.slice(queryStart);
  if (/[^\x21-\x7e]|#/.test(query) || NO_ID.test(url)) return null;
  const hasVersion = basePath.endsWith('/v1');
  const root = hasVersion ? basePath.slice(0, -3) : basePath;
  if (!path.startsWith(`${root}/`)) return null;
  let rest = path.slice(root.length).replace(/(.)\/$/, '$1');
  for (;;) {
    if (root !== '' && rest.startsWith(`${root}/`)) rest = rest.slice(root.length);
    else if (hasVersion && rest.startsWith('/v1/')) rest = rest.slice(3);
    else if (!isEndpoint(rest) && ENDPOINT_AS_BASE.test(rest)) rest = rest.replace(ENDPOINT_AS_BASE, '');
    else break;
  }
  return isEndpoint(rest) ? { endpoint: rest, query } : null;
}

function isEndpoint(path: string): boolean {
  return KNOWN.has(path) || ONE_OF.test(path);
}
