import { type Protocol, renderError, type UpstreamError } from './errors.ts';
import type { Route } from './routes.ts';

/** What an answer depends on beside the account. */
export type Question = {
  readonly route: Route;
  readonly protocol: Protocol;
  readonly body: Buffer;
  readonly userAgent: string | undefined;
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
  /** Epoch ms. */
  readonly now: number;
};

/** An answer ready to go. */
export type Answer = {
  readonly status: number;
  /** Flat raw list. */
  readonly headers: readonly string[];
  /** One part = a body of known length; a stream has one part an event. */
  readonly body:
    | { readonly kind: 'whole'; readonly bytes: Buffer }
    | { readonly kind: 'stream'; readonly events: readonly string[] };
};

/** An error in the envelope of the protocol, with the headers it comes with. */
export function answerError(error: UpstreamError, protocol: Protocol): Answer {
  const headers = Object.entries(error.headers ?? {}).flat();
  return wholeText(renderError(error, protocol), error.status, 'application/json', headers);
}

export function wholeText(text: string, status = 200, contentType = 'application/json', headers: readonly string[] = []): Answer {
  return { status, headers: ['content-type', contentType, ...headers], body: { kind: 'whole', bytes: Buffer.from(text) } };
}

export function wholeBytes(bytes: Buffer, contentType = 'application/octet-stream'): Answer {
  return { status: 200, headers: ['content-type', contentType], body: { kind: 'whole', bytes } };
}

/** Bytes of the body before any encoding. */
export function lengthOf({ body }: Answer): number {
  return body.kind === 'whole' ? body.bytes.length : Buffer.byteLength(body.events.join(''));
}
