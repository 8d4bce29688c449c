import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FaultOptions } from '../../src/simulator/faults.ts';
import { installClients } from './installed-clients.ts';
import { type ProxiedSimulator, startProxiedSimulator } from './proxied-simulator.ts';

/** The packages' own clients must throw when a stream breaks: neither hang nor take the part for the whole. */

const IDLE_SECONDS = 2;
const SETTINGS = { apiKey: 'any', maxRetries: 0 };
const ASK = { model: 'kimi-for-coding', max_tokens: 100, stream: true, messages: [{ role: 'user', content: 'say hello' }] };
const STREAM = ['content-type', 'text/event-stream'];

type Create = (request: object) => Promise<AsyncIterable<object>>;
type Client<Kind> = new (options: { baseURL: string; apiKey: string; maxRetries: number }) => Kind;
type OpenAI = { readonly chat: { readonly completions: { readonly create: Create } } };
type Anthropic = { readonly messages: { readonly create: Create } };

let proxied: ProxiedSimulator;
const create: Record<string, Create> = {};

beforeAll(async () => {
  const { load } = await installClients();
  proxied = await startProxiedSimulator({ KMI_PROXY_IDLE_TIMEOUT_SECONDS: String(IDLE_SECONDS), KMI_USAGE_CACHE_SECONDS: '0' });
  const OpenAIClient: Client<OpenAI> = load('openai').OpenAI;
  const AnthropicClient: Client<Anthropic> = load('@anthropic-ai/sdk').Anthropic;
  const openai = new OpenAIClient({ ...SETTINGS, baseURL: proxied.url });
  const anthropic = new AnthropicClient({ ...SETTINGS, baseURL: proxied.url.replace(/\/v1$/, '') });
  create.openai = (request) => openai.chat.completions.create(request);
  create.anthropic = (request) => anthropic.messages.create(request);
});

beforeEach(() => {
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).heal();
  proxied.simulator.received.length = 0;
});

const OPENAI = [0, 1].map((n) => {
  const choices = [{ index: 0, delta: { content: `part ${n}` }, finish_reason: null }];
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`;
});
const ANTHROPIC = [
  'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":0}}}\n\n',
  'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
];

type Ending = { readonly end: 'reset' | 'cut' | 'hang'; readonly tail?: string };
const ENDINGS: Readonly<Record<string, Ending>> = {
  'is reset between two events': { end: 'reset' },
  'is closed between two events': { end: 'cut' },
  'is reset in the middle of a line': { end: 'reset', tail: 'data: {"half' },
  'falls silent': { end: 'hang' },
};

/** Reads a stream to its end: how many events came, and what was thrown. */
async function read(sdk: string): Promise<{ events: number; thrown: Error | null; tookMs: number }> {
  const startedAt = performance.now();
  let events = 0;
  let thrown: Error | null = null;
  try {
    for await (const _ of await (create[sdk] as Create)(ASK)) events += 1;
  } catch (error) {
    thrown = error as Error;
  }
  return { events, thrown, tookMs: performance.now() - startedAt };
}

describe.each([
  ['openai', OPENAI],
  ['anthropic', ANTHROPIC],
])('the SDK of %s throws', (sdk, parts) => {
  it.each(Object.entries(ENDINGS))('when its stream %s', async (_, { end, tail }) => {
    const chunks = tail === undefined ? parts : [...parts, tail];
    for (const name of ['ada', 'ben']) proxied.simulator.account(name).respondWith({ headers: STREAM, chunks, pauseMs: 20, end });
    const { events, thrown, tookMs } = await read(sdk);
    expect(thrown).toBeInstanceOf(Error);
    expect(events).toBeGreaterThan(0);
    expect(tookMs).toBeLessThan(IDLE_SECONDS * 1000 + 3_000);
    expect(proxied.simulator.received.filter(({ path }) => !path.endsWith('/me'))).toHaveLength(1);
  });

  it('and says what happened, when the proxy could still tell it', async () => {
    for (const name of ['ada', 'ben'])
      proxied.simulator.account(name).respondWith({ headers: STREAM, chunks: parts, pauseMs: 20, end: 'hang' });
    expect((await read(sdk)).thrown?.message).toContain('fell silent');
  });

  it('when the upstream sends an error inside its stream', async () => {
    const inStream: FaultOptions = { inStreamAfterChunks: 2 };
    for (const name of ['ada', 'ben']) proxied.simulator.account(name).fail('overloaded', inStream);
    expect((await read(sdk)).thrown?.message).toContain('overloaded');
  });

  it('when no key can serve', async () => {
    for (const name of ['ada', 'ben']) proxied.simulator.account(name).fail('unavailable');
    expect((await read(sdk)).thrown).toMatchObject({ status: 503 });
  });
});
