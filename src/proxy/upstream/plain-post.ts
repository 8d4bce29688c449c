import type { Upstreams } from './upstreams.ts';

/** A POST that goes out the way the proxy's requests do, to any host. Gives back the status; what the answer says is not read. */
export async function plainPost(
  upstreams: Upstreams,
  url: string,
  body: string,
  { signal, headers }: { readonly signal: AbortSignal; readonly headers: Readonly<Record<string, string>> },
): Promise<number> {
  const { origin, pathname, search } = new URL(url);
  const dispatcher = upstreams.for(origin);
  const response = await dispatcher.request({ origin, path: `${pathname}${search}`, method: 'POST', headers, body, signal });
  response.body.on('error', () => undefined);
  await response.body.dump({ limit: 64 * 1024, signal }).catch(() => undefined);
  return response.statusCode;
}
