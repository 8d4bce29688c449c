import { type PlainAnswer, readPlainAnswer } from './plain-answer.ts';
import type { Upstreams } from './upstreams.ts';

/** A GET that goes out the way the proxy's requests do: same pools, same outgoing proxy, same time to connect. */
export async function plainGet(
  upstreams: Upstreams,
  url: string,
  { signal, headers = {} }: { readonly signal: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
): Promise<PlainAnswer> {
  const { origin, pathname } = new URL(url);
  return readPlainAnswer(await upstreams.for(origin).request({ origin, path: pathname, method: 'GET', headers, signal }));
}
