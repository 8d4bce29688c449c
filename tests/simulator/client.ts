import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';

export const KEY = 'sk-kimi-test-a';

/** A simulator with account "a" (key KEY), closed when the test ends. */
export async function openSimulator(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ accounts: [{ name: 'a', keys: [KEY] }], ...options });
  onTestFinished(() => simulator.close());
  return simulator;
}

export function post(
  simulator: Simulator,
  path: string,
  body: unknown,
  init: { key?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
) {
  return fetch(simulator.baseUrl + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${init.key ?? KEY}`, 'content-type': 'application/json', ...init.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}

export function get(simulator: Simulator, path: string, headers: Record<string, string> = {}) {
  return fetch(simulator.baseUrl + path, { headers: { authorization: `Bearer ${KEY}`, ...headers } });
}

export function chat(simulator: Simulator, extra: object = {}, init: Parameters<typeof post>[3] = {}) {
  return post(simulator, '/chat/completions', { model: 'k3', messages: [{ role: 'user', content: 'Hi' }], ...extra }, init);
}

/** The JSON of an answer, untyped: its shape is what the tests assert. */
export const json = async (response: Response) => JSON.parse(await response.text());

export type ServerEvent = { event: string | null; data: string };

/** Reads a response as server-sent events, in whatever pieces they come. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(bytes, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const lines = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
      yield { event: field('event'), data: field('data') ?? '' };
    }
  }
  if (rest !== '') throw new Error(`the stream ended inside an event: ${rest}`);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** One exchange over a plain socket-level client: what arrived, and the error that ended it, if any. */
export function exchange(url: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
  return new Promise<{ status: number | null; rawHeaders: string[]; chunks: Buffer[]; error: string | null }>((resolve) => {
    const chunks: Buffer[] = [];
    let status: number | null = null;
    let rawHeaders: string[] = [];
    const settle = (error: string | null) => resolve({ status, rawHeaders, chunks, error });
    const headers = { authorization: `Bearer ${KEY}`, ...init.headers };
    const outgoing = request(url, { method: init.method ?? 'POST', headers, agent: false }, (incoming) => {
      status = incoming.statusCode ?? null;
      rawHeaders = incoming.rawHeaders;
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => settle(null));
      incoming.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    outgoing.end(init.body ?? '{}');
  });
}
