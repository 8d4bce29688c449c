import type { Upstreams } from './upstreams.ts';

const BODY_MAX_CHARS = 64 * 1024;

export type PlainAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
};

/** A GET that goes out the way the proxy's requests do: same pools, same outgoing proxy, same time to connect. */
export async function plainGet(
  upstreams: Upstreams,
  url: string,
  { signal, headers = {} }: { readonly signal: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
): Promise<PlainAnswer> {
  const { origin, pathname } = new URL(url);
  const response = await upstreams.for(origin).request({ origin, path: pathname, method: 'GET', headers, signal });
  // Leaving the loop early destroys the stream, which then reports an abort nobody waits for.
  response.body.on('error', () => undefined);
  let body = '';
  for await (const chunk of response.body.setEncoding('utf8')) {
    body += chunk;
    if (body.length > BODY_MAX_CHARS) break;
  }
  return { status: response.statusCode, headers: response.headers, body };
}
