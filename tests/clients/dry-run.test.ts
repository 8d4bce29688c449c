import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { kimiEnvironment } from './kimi-environment.ts';
import { type ProxiedSimulator, startProxiedSimulator } from './proxied-simulator.ts';

const SAID = 'This is kmi in dry-run. Nothing was sent.';
const OPTIONS = { apiKey: 'kmi', maxRetries: 0 };
const ASK = { model: 'kimi-for-coding', messages: [{ role: 'user', content: 'say hello' }] };

type Streamed = AsyncIterable<Readonly<Record<string, unknown>>>;
type Create = (request: object) => Promise<unknown>;
type OpenAI = {
  readonly chat: { readonly completions: { readonly create: Create } };
  readonly responses: { readonly create: Create };
};
type Anthropic = { readonly messages: { readonly create: Create; stream(request: object): { finalText(): Promise<string> } } };
type Client<Kind> = new (options: { baseURL: string; apiKey: string; maxRetries: number }) => Kind;

let clients: InstalledClients;
let proxied: ProxiedSimulator;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  clients = await installClients();
  proxied = await startProxiedSimulator({ KMI_DRY_RUN: '1' });
  const OpenAIClient: Client<OpenAI> = clients.load('openai').OpenAI;
  const AnthropicClient: Client<Anthropic> = clients.load('@anthropic-ai/sdk').Anthropic;
  openai = new OpenAIClient({ ...OPTIONS, baseURL: proxied.url });
  anthropic = new AnthropicClient({ ...OPTIONS, baseURL: proxied.url.replace(/\/v1$/, '') });
});

async function eventsOf(stream: unknown): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const events = [];
  for await (const event of stream as Streamed) events.push(event);
  return events;
}

it('the openai SDK takes the answers, whole and streamed', async () => {
  expect(await openai.chat.completions.create(ASK)).toMatchObject({
    choices: [{ message: { content: expect.stringContaining(SAID) } }],
  });
  const chunks = await eventsOf(await openai.chat.completions.create({ ...ASK, stream: true }));
  const text = chunks.map(({ choices }) => (choices as { delta: { content?: string } }[])[0]?.delta.content ?? '').join('');
  expect(text).toContain(SAID);
  expect(await openai.responses.create({ model: 'k3', input: 'say hello' })).toMatchObject({
    output_text: expect.stringContaining(SAID),
  });
  const events = await eventsOf(await openai.responses.create({ model: 'k3', input: 'say hello', stream: true }));
  expect(events.at(-1)).toMatchObject({ type: 'response.completed' });
});

it('the Anthropic SDK takes the answers, whole and streamed', async () => {
  const request = { ...ASK, max_tokens: 100 };
  expect(await anthropic.messages.create(request)).toMatchObject({ content: [{ text: expect.stringContaining(SAID) }] });
  expect(await anthropic.messages.stream(request).finalText()).toContain(SAID);
});

it('Kimi Code prints the answer and ends', async () => {
  const home = await mkdtemp(join(proxied.home.root, 'kimi-'));
  const env = kimiEnvironment(clients, home, proxied.url);
  const stdout = await new Promise<string>((resolve, reject) => {
    const options = { cwd: home, env, timeout: 120_000 };
    const child = execFile(join(clients.binFolder, 'kimi'), ['-p', 'say hello'], options, (error, text) =>
      error === null ? resolve(text) : reject(error),
    );
    child.stdin?.end();
  });
  expect(stdout.replace(/\s+/g, ' ')).toContain(SAID);
  expect(proxied.simulator.received).toHaveLength(0);
});
