import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Agent as UndiciAgent } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { RateLimit } from '../../src/core/choosing/rate-limit.ts';
import { newKeyState } from '../../src/core/keys/key-state.ts';
import { addTokens, NO_TOKENS, type TokenUsage, type UsageProtocol, usageProtocolOf } from '../../src/core/tokens/token-usage.ts';
import { Attempt, type AttemptResult } from '../../src/proxy/exchange/attempt.ts';
import { PoolEntry } from '../../src/proxy/pool/pool-entry.ts';
import { TappedSink } from '../../src/proxy/record/tapped-sink.ts';
import { type AnswerUsage, createUsageTap } from '../../src/proxy/record/usage-tap.ts';
import { type AccountSpec, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

/** How a request is asked and how far its answer is taken. */
type Question = {
  readonly account: string;
  readonly endpoint: '/chat/completions' | '/messages';
  readonly body: Record<string, unknown>;
  readonly gzip: boolean;
  /** The client leaves at the first piece of the answer. */
  readonly leaves: boolean;
};

const NO_RATE_LIMIT = new RateLimit({ perSecond: 0, perMinute: 0 }, Date.now);
const NOTHING: AnswerUsage = { usage: null, model: null };

/** Sends the question straight to the simulator and reads the answer with a tap, as the proxy would. */
async function ask(
  simulator: Simulator,
  agent: Agent,
  { account, endpoint, body, gzip, leaves }: Question,
): Promise<AnswerUsage> {
  const outgoing = request(`${simulator.baseUrl}${endpoint}`, {
    method: 'POST',
    agent,
    headers: {
      authorization: `Bearer sk-test-${account}`,
      'content-type': 'application/json',
      ...(gzip ? { 'accept-encoding': 'gzip' } : {}),
    },
  });
  outgoing.on('error', () => undefined);
  outgoing.end(JSON.stringify(body));
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const protocol = usageProtocolOf(endpoint);
  if (protocol === null) throw new Error(`${endpoint} states no usage`);
  const { 'content-type': contentType, 'content-encoding': contentEncoding } = answer.headers;
  const tap = (answer.statusCode ?? 0) < 400 ? createUsageTap(contentType, contentEncoding, protocol) : null;
  expect(contentEncoding).toBe(gzip ? 'gzip' : undefined);
  answer.on('error', () => undefined);
  answer.on('data', (chunk: Buffer) => {
    tap?.take(chunk);
    if (leaves) outgoing.destroy();
  });
  await new Promise((resolve) => answer.once('close', resolve));
  return tap === null ? NOTHING : tap.end();
}

/** The n-th of many mixed requests. Long and short prompts, six sessions, streamed or not, compressed or not. */
function mixed(n: number, account: string): Question {
  const endpoint = n % 2 === 0 ? '/chat/completions' : '/messages';
  const session = n % 7 === 6 ? null : `session-${n % 6}`;
  const stream = n % 3 !== 0;
  return {
    account,
    endpoint,
    gzip: n % 5 < 2,
    leaves: false,
    body: {
      model: n % 4 === 0 ? 'k3' : 'kimi-for-coding',
      messages: [{ role: 'user', content: `"usage":{"prompt_tokens":1} ${'é'.repeat((n * 37) % 900)}` }],
      ...(session === null ? {} : n % 2 === 0 ? { prompt_cache_key: session } : { metadata: { user_id: session } }),
      ...(stream ? { stream: true } : {}),
      ...(stream && n % 2 === 0 ? { stream_options: { include_usage: true } } : {}),
    },
  };
}

async function openBooks(accounts: readonly (Omit<AccountSpec, 'keys'> & { name: string })[]) {
  const simulator = await startSimulator({
    accounts: accounts.map((spec) => ({ ...spec, keys: [`sk-test-${spec.name}`] })),
    record: false,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  onTestFinished(async () => {
    agent.destroy();
    await simulator.close();
  });
  return { simulator, agent };
}

async function sumOf(answers: readonly Promise<AnswerUsage>[]): Promise<TokenUsage> {
  return (await Promise.all(answers)).reduce((sum, { usage }) => addTokens(sum, usage ?? NO_TOKENS), NO_TOKENS);
}

it('500 mixed answers that came to their end say to the token what the books of their accounts say', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const specs = names.map((name, n) => ({ name, behaviour: { gzip: true, chunks: 3 + 40 * n, reasoningChunks: n } }));
  const { simulator, agent } = await openBooks(specs);
  // Some are refused in between, which costs nothing.
  simulator.account('b').fail('overloaded', { times: 9, probability: 0.5, random: seeded() });
  const questions = Array.from({ length: 500 }, (_, n) => mixed(n, names[Math.floor(n / 10) % 5] as string));
  const answers = questions.map((question) => ask(simulator, agent, question));
  for (const name of names) {
    const own = await sumOf(answers.filter((_, n) => questions[n]?.account === name));
    const { inputTokens, cachedTokens, outputTokens } = simulator.account(name).books;
    expect([name, own]).toEqual([name, { input: inputTokens, cached: cachedTokens, output: outputTokens, reasoning: 0 }]);
  }
  const all = names.map((name) => simulator.account(name).books);
  expect(all.reduce((sum, { served, refused }) => sum + served + refused, 0)).toBe(500);
  expect(simulator.account('b').books.refused).toBe(9);
  expect(all.every(({ cachedTokens, inputTokens }) => cachedTokens > 0 && cachedTokens < inputTokens)).toBe(true);
  const models = new Set((await Promise.all(answers)).map(({ model }) => model));
  expect([...models].sort()).toEqual(['k3', 'kimi-for-coding', null]);
});

it('aborted and broken Anthropic streams count the input, which was said, and no output, which was not', async () => {
  const behaviour = { gzip: true, chunks: 30, chunkPauseMs: 20 };
  const { simulator, agent } = await openBooks([
    { name: 'left', behaviour },
    { name: 'reset', behaviour: { ...behaviour, chunkPauseMs: 0, resetAfterBytes: 2500 } },
    { name: 'error', behaviour: { ...behaviour, chunkPauseMs: 0 } },
  ]);
  simulator.account('error').fail('internal', { inStreamAfterChunks: 4 });
  for (const name of ['left', 'reset', 'error']) {
    const questions = Array.from({ length: 40 }, (_, n) => {
      const question = mixed(2 * n + 1, name);
      const leaves = name === 'left';
      // 2500 bytes of a compressed answer may be all of it.
      return { ...question, body: { ...question.body, stream: true }, leaves, gzip: question.gzip && name !== 'reset' };
    });
    const said = await sumOf(questions.map((question) => ask(simulator, agent, question)));
    const { inputTokens, cachedTokens, served } = simulator.account(name).books;
    expect([name, said]).toEqual([name, { input: inputTokens, cached: cachedTokens, output: 0, reasoning: 0 }]);
    expect(served).toBe(0);
  }
});

it('an OpenAI stream that was not asked for its usage, or is cut off before, says nothing', async () => {
  const { simulator, agent } = await openBooks([{ name: 'quiet', behaviour: { gzip: true, chunks: 30, chunkPauseMs: 20 } }]);
  const question = mixed(4, 'quiet');
  const { stream_options: _, ...unasked } = question.body;
  simulator.account('quiet').behave({ chunkPauseMs: 0 });
  expect(await ask(simulator, agent, { ...question, body: unasked })).toEqual({ usage: null, model: 'k3' });
  simulator.account('quiet').behave({ chunkPauseMs: 20 });
  expect(await ask(simulator, agent, { ...question, leaves: true })).toEqual({ usage: null, model: 'k3' });
});

it('a tapped sink behind the real attempt says what the books say, whatever the connection does with its buffers', async () => {
  const behaviour = { gzip: true, chunks: 400, reasoningChunks: 50 };
  const { simulator } = await openBooks([{ name: 'a', behaviour }]);
  const dispatcher = new UndiciAgent({ connections: 8 });
  onTestFinished(() => dispatcher.close());
  const key = { value: 'sk-test-a', hash: '', baseUrl: simulator.baseUrl, priority: 0, weight: 100, disabled: false };
  const entry = new PoolEntry({ ...key, label: 'a', email: null, source: '' }, newKeyState(), NO_RATE_LIMIT);
  let bytes = 0;
  const sink = {
    head: () => undefined,
    end: () => undefined,
    whenReady: () => undefined,
    data: (chunk: Buffer) => {
      bytes += chunk.length;
      return true;
    },
  };
  const said = await sumOf(
    Array.from({ length: 60 }, async (_, n) => {
      const { endpoint, body, gzip } = mixed(n, 'a');
      const tapped = new TappedSink(sink, usageProtocolOf(endpoint) as UsageProtocol);
      const headers = ['authorization', 'Bearer sk-test-a', 'content-type', 'application/json'];
      if (gzip) headers.push('accept-encoding', 'gzip');
      const sent = Buffer.from(JSON.stringify(body));
      const path = `/coding/v1${endpoint}`;
      const result = await new Promise<AttemptResult>((resolve) => {
        const origin = simulator.origin;
        const request = { origin, path, method: 'POST', headers, body: sent, headersTimeout: 0, bodyTimeout: 0 } as const;
        const owner = { answering: () => undefined, attemptEnded: (_plan: unknown, end: AttemptResult) => resolve(end) };
        new Attempt({ entry, startedAt: 0, dispatcher, request }, tapped, owner, { firstByteMs: 0, idleMs: 0 }).start();
      });
      expect(result).toEqual({ kind: 'served', status: 200, brokenBy: null });
      return tapped.read();
    }),
  );
  const { inputTokens, cachedTokens, outputTokens } = simulator.account('a').books;
  expect(said).toEqual({ input: inputTokens, cached: cachedTokens, output: outputTokens, reasoning: 0 });
  expect(bytes).toBeGreaterThan(1_000_000);
});

/** Numbers from 0 to 1, the same in every run. */
function seeded(): () => number {
  let state = 7;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
