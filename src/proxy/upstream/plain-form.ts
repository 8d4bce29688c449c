import { type PlainAnswer, readPlainAnswer } from './plain-answer.ts';
import type { Upstreams } from './upstreams.ts';

/**
 * A form POST that goes out the way the proxy's requests do, but over a new connection: a kept one may turn out to be dead, and a form
 * that grants something must not be sent twice for that.
 */
export async function plainForm(
  upstreams: Upstreams,
  url: string,
  form: Readonly<Record<string, string>>,
  { signal, headers }: { readonly signal: AbortSignal; readonly headers: Readonly<Record<string, string>> },
): Promise<PlainAnswer> {
  const { origin, pathname } = new URL(url);
  const body = new URLSearchParams(form).toString();
  const ofForm = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
  const dispatcher = upstreams.forOne(origin);
  return readPlainAnswer(await dispatcher.request({ origin, path: pathname, method: 'POST', headers: ofForm, body, signal }));
}
