import { beforeAll, beforeEach, expect, it } from 'vitest';
import { installClients } from './installed-clients.ts';
import { type ProxiedSimulator, startProxiedSimulator } from './proxied-simulator.ts';

const TOKEN = 'a-token-of-the-proxy';
const SETTINGS = { apiKey: TOKEN, maxRetries: 0 };
const ASK = { model: 'kimi-for-coding', messages: [{ role: 'user', content: 'say hello' }] };

/** As much of the two packages as is called here. */
type Create = <Answer>(request: object) => Promise<Answer>;
type OpenAI = {
  readonly chat: { readonly completions: { readonly create: Create } };
  readonly models: { list(): Promise<Models> };
};
type Anthropic = { readonly messages: { readonly create: Create; readonly countTokens: Create } };
type Client<Kind> = new (options: { baseURL: string; apiKey: string; maxRetries: number }) => Kind;
type Models = { readonly data: readonly { readonly id: string }[] };

let proxied: ProxiedSimulator;
let openai: OpenAI;
let anthropic: Anthropic;
let OpenAIClient: Client<OpenAI>;

beforeAll(async () => {
  const { load } = await installClients();
  proxied = await startProxiedSimulator({ KMI_PROXY_TOKEN: TOKEN });
  OpenAIClient = load('openai').OpenAI;
  const AnthropicClient: Client<Anthropic> = load('@anthropic-ai/sdk').Anthropic;
  openai = new OpenAIClient({ ...SETTINGS, baseURL: proxied.url });
  // Its paths begin with /v1.
  anthropic = new AnthropicClient({ ...SETTINGS, baseURL: proxied.url.replace(/\/v1$/, '') });
});

beforeEach(() => {
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).heal();
  proxied.takeChats();
});

type Completion = {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: { readonly total_tokens: number };
};
type CompletionChunk = {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
  readonly usage?: { readonly completion_tokens: number } | null;
};

it('openai: chats are answered, by one key after the other', async () => {
  for (let chat = 1; chat <= 2; chat += 1) {
    const { choices, usage } = await openai.chat.completions.create<Completion>(ASK);
    expect(choices[0]?.message.content).toMatch(/^Hello from account (ada|ben), request \d+\.$/);
    expect(usage.total_tokens).toBeGreaterThan(6);
  }
  expect(proxied.takeChats().toSorted()).toEqual(['/chat/completions ada', '/chat/completions ben']);
});

it('openai: a streamed chat arrives in pieces, with the usage at its end', async () => {
  const request = { ...ASK, stream: true, stream_options: { include_usage: true } };
  const pieces: string[] = [];
  let completionTokens: number | undefined;
  for await (const chunk of await openai.chat.completions.create<AsyncIterable<CompletionChunk>>(request)) {
    const piece = chunk.choices[0]?.delta.content;
    if (piece !== undefined && piece !== '') pieces.push(piece);
    completionTokens = chunk.usage?.completion_tokens ?? completionTokens;
  }
  expect(pieces.join('')).toMatch(/^Hello from account (ada|ben), request \d+\.$/);
  expect([pieces.length, completionTokens]).toEqual([6, 6]);
});

it('openai: the models are listed, and a wrong token is refused as one', async () => {
  expect((await openai.models.list()).data.map(({ id }) => id)).toContain('kimi-for-coding');
  const stranger = new OpenAIClient({ ...SETTINGS, apiKey: 'wrong', baseURL: proxied.url });
  await expect(stranger.chat.completions.create(ASK)).rejects.toMatchObject({ status: 401 });
});

type Message = { readonly content: readonly { readonly text: string }[]; readonly usage: { readonly output_tokens: number } };
type MessageEvent = { readonly type: string; readonly delta?: { readonly text?: string } };

it('anthropic: messages are answered, by one key after the other', async () => {
  for (let chat = 1; chat <= 2; chat += 1) {
    const message = await anthropic.messages.create<Message>({ ...ASK, max_tokens: 100 });
    expect(message.content[0]?.text).toMatch(/^Hello from account (ada|ben), request \d+\.$/);
    expect(message.usage.output_tokens).toBe(6);
  }
  expect(proxied.takeChats().toSorted()).toEqual(['/messages ada', '/messages ben']);
});

it('anthropic: a streamed message arrives in pieces', async () => {
  const events: MessageEvent[] = [];
  const stream = await anthropic.messages.create<AsyncIterable<MessageEvent>>({ ...ASK, max_tokens: 100, stream: true });
  for await (const event of stream) events.push(event);
  const text = events.map(({ delta }) => delta?.text ?? '').join('');
  expect(text).toMatch(/^Hello from account (ada|ben), request \d+\.$/);
  expect([events[0]?.type, events.at(-1)?.type]).toEqual(['message_start', 'message_stop']);
});

it('anthropic: an answer is found when the first account is out of quota, and tokens can be counted', async () => {
  proxied.simulator.account('ada').fail('quota_5h');
  for (let chat = 1; chat <= 2; chat += 1) await anthropic.messages.create({ ...ASK, max_tokens: 100 });
  expect(proxied.takeChats()).toEqual(['/messages ben', '/messages ben']);
  const counted = await anthropic.messages.countTokens<{ readonly input_tokens: number }>(ASK);
  expect(counted.input_tokens).toBeGreaterThan(0);
});

it('anthropic: an error of the upstream is thrown as what it is', async () => {
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).fail('token_limit');
  await expect(anthropic.messages.create({ ...ASK, max_tokens: 100 })).rejects.toMatchObject({ status: 400 });
});
