import type { Dispatcher } from 'undici';

const BODY_MAX_CHARS = 64 * 1024;

export type PlainAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
};

/** Reads an answer that is small unless it is not what it should be. */
export async function readPlainAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<PlainAnswer> {
  // Leaving the loop early destroys the stream, which then reports an abort nobody waits for.
  body.on('error', () => undefined);
  let text = '';
  for await (const chunk of body.setEncoding('utf8')) {
    text += chunk;
    if (text.length > BODY_MAX_CHARS) break;
  }
  return { status: statusCode, headers, body: text.slice(0, BODY_MAX_CHARS) };
}
