import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';

export type SendOptions = {
  /** Default POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
  readonly rejectUnauthorized?: boolean;
};

/** An answer as it arrived, with the error that ended it, if any. */
export type Answer = {
  /** Null when nothing came. */
  readonly status: number | null;
  readonly reason: string;
  readonly rawHeaders: readonly string[];
  readonly chunks: readonly Buffer[];
  readonly body: Buffer;
  readonly text: string;
  readonly error: string | null;
};

/** A request whose answer is read by the test. */
export type OpenRequest = { readonly request: ClientRequest; readonly response: Promise<IncomingMessage> };

/** Sends the headers, and the body when one is given; without one the test writes and ends it. */
export function open(url: string, { method = 'POST', headers = {}, body, agent, rejectUnauthorized }: SendOptions): OpenRequest {
  const make = url.startsWith('https:') ? tlsRequest : request;
  const outgoing = make(url, {
    method,
    headers,
    agent: agent ?? false,
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
  // A test that leaves on purpose does not look at the answer.
  response.catch(() => undefined);
  if (body !== undefined) outgoing.end(body);
  return { request: outgoing, response };
}

/** One exchange to its end, good or bad. */
export async function send(url: string, options: SendOptions = {}): Promise<Answer> {
  const { response } = open(url, { ...options, body: options.body ?? '' });
  try {
    return await readAnswer(await response);
  } catch (error) {
    return answerOf(null, [], codeOf(error));
  }
}

/** Reads an answer to its end, good or bad. */
export function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => resolve(answerOf(incoming, chunks, null)));
    incoming.on('error', (error) => resolve(answerOf(incoming, chunks, codeOf(error))));
  });
}

function answerOf(incoming: IncomingMessage | null, chunks: readonly Buffer[], error: string | null): Answer {
  const body = Buffer.concat(chunks);
  return {
    status: incoming?.statusCode ?? null,
    reason: incoming?.statusMessage ?? '',
    rawHeaders: incoming?.rawHeaders ?? [],
    chunks,
    body,
    text: body.toString(),
    error,
  };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** Every value of a header, in order; `name` in lower case. */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && (rawHeaders[index - 1] as string).toLowerCase() === name);
}

/** Writes bytes to a port as they are and gives back all that came until the connection closed. */
export function sendRaw(port: number, bytes: string | Buffer, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, host, () => socket.write(bytes));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}
