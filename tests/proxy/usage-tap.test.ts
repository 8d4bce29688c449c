import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type UsageProtocol, usageProtocolOf } from '../../src/core/tokens/token-usage.ts';
import { type AnswerHead, readAnswerHead } from '../../src/proxy/http/headers.ts';
import { TappedSink } from '../../src/proxy/record/tapped-sink.ts';
import { type AnswerUsage, createUsageTap } from '../../src/proxy/record/usage-tap.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { cutInPieces } from '../support/pieces.ts';

const STREAM = 'text/event-stream; charset=utf-8';
const JSON_TYPE = 'application/json';

type Answer = { readonly type?: string; readonly encoding?: string; readonly protocol?: UsageProtocol };

async function read(pieces: readonly (Buffer | string)[], answer: Answer = {}): Promise<AnswerUsage> {
  const { type = STREAM, encoding, protocol = 'openai' } = answer;
  const tap = createUsageTap(type, encoding, protocol);
  if (tap === null) throw new Error('no tap');
  for (const piece of pieces) tap.take(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return tap.end();
}

const USAGE = { prompt_tokens: 90, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 60 } };
const TOLD: AnswerUsage = { usage: { input: 90, cached: 60, output: 7, reasoning: 0 }, model: 'k3' };

function openAiEvents(usage: unknown = USAGE): string[] {
  const delta = (content: string) => ({ id: 'c', model: 'k3', choices: [{ index: 0, delta: { content } }], usage: null });
  return [delta('{"usage":{"prompt_tokens":1}}'), delta('Grüße 😀'), { id: 'c', model: 'k3', choices: [], usage }].map(
    (event) => `data: ${JSON.stringify(event)}\n\n`,
  );
}

const ANTHROPIC = [
  'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"k3","usage":{"input_tokens":30,"cache_read_input_tokens":60,"cache_creation_input_tokens":10,"output_tokens":0}}}\n\n',
  'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"usage\\":{\\"output_tokens\\":99}}"}}\n\n',
  'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":42}}\n\n',
  'event: message_stop\ndata: {"type":"message_stop"}\n\n',
];
const ANTHROPIC_TOLD = { usage: { input: 100, cached: 60, output: 42, reasoning: 0 }, model: 'k3' };

describe('an event stream', () => {
  it('of the OpenAI protocol is read at its usage, not at text that looks like it', async () => {
    expect(await read([...openAiEvents(), 'data: [DONE]\n\n'])).toEqual(TOLD);
  });

  it('with the usage in the last choice, as Moonshot sends it, is read too', async () => {
    const event = { model: 'k3', choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: USAGE }] };
    expect(await read([`data: ${JSON.stringify(event)}\n\n`])).toEqual(TOLD);
  });

  it('of /responses is read at its end, past the tool schemas it repeats', async () => {
    const tools = [
      { parameters: { properties: { usage: { type: 'object', properties: { input_tokens: { type: 'integer' } } } } } },
    ];
    const usage = { input_tokens: 90, output_tokens: 7, input_tokens_details: { cached_tokens: 60 } };
    const event = { type: 'response.completed', response: { model: 'k3', tools, usage } };
    expect(await read([`event: response.completed\ndata: ${JSON.stringify(event)}\n\n`])).toEqual(TOLD);
  });

  it('of the Anthropic protocol is read at its start and its end', async () => {
    expect(await read(ANTHROPIC, { protocol: 'anthropic' })).toEqual(ANTHROPIC_TOLD);
  });

  it('that is cut off says what it said until then', async () => {
    const told = { usage: { input: 100, cached: 60, output: 0, reasoning: 0 }, model: 'k3' };
    expect(await read([ANTHROPIC[0] as string, 'data: {"usage":{"output_tok'], { protocol: 'anthropic' })).toEqual(told);
    expect(await read(openAiEvents().slice(0, 2))).toEqual({ usage: null, model: 'k3' });
  });

  it.each([
    ['no space after data:', (text: string) => text.replaceAll('data: ', 'data:')],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['comments between', (text: string) => text.replaceAll('\n\n', '\n\n: ping\n\n')],
    ['white space in the JSON', (text: string) => text.replaceAll('":', '" : ')],
    ['usage over several data lines', (text: string) => text.replace('"completion_tokens"', '\ndata: "completion_tokens"')],
    ['the same with CRLF', (text: string) => text.replace('"completion_tokens"', '\r\ndata:"completion_tokens"')],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['no line end at the end', (text: string) => text.trimEnd()],
  ])('%s changes nothing', async (_, change) => {
    expect(await read([change(openAiEvents().join(''))])).toEqual(TOLD);
  });

  it('with a line of 2 MB is read in no time, in any pieces', async () => {
    const event = { model: 'k3', choices: [{ delta: { content: 'ü"usage":{x'.repeat(200_000) } }], usage: USAGE };
    const bytes = Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
    expect(bytes.length).toBeGreaterThan(2_000_000);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 1001) pieces.push(bytes.subarray(at, at + 1001));
    expect(await cpuMs(async () => expect(await read(pieces)).toEqual(TOLD))).toBeLessThan(2000);
  });
});

describe('a JSON answer', () => {
  const body = { id: 'c', model: 'k3', choices: [{ message: { content: '"usage":{"prompt_tokens":1}' } }], usage: USAGE };

  it('is read at its own usage, wherever it stands and whatever a tool call holds', async () => {
    expect(await read([JSON.stringify(body)], { type: JSON_TYPE })).toEqual(TOLD);
    const usage = { input_tokens: 30, cache_read_input_tokens: 60, cache_creation_input_tokens: 10, output_tokens: 42 };
    const content = [{ type: 'tool_use', input: { model: 'other', usage: { input_tokens: 7, output_tokens: 7 } } }];
    const answer: Answer = { type: JSON_TYPE, protocol: 'anthropic' };
    expect(await read([JSON.stringify({ usage, content, model: 'k3' })], answer)).toEqual(ANTHROPIC_TOLD);
    expect(await read([JSON.stringify({ model: 'k3', content, usage }, null, 2)], answer)).toEqual(ANTHROPIC_TOLD);
  });

  it('of megabytes is read at its end', async () => {
    const long = Buffer.from(JSON.stringify({ ...body, padding: undefined, choices: ['x'.repeat(3_000_000)], usage: USAGE }));
    const pieces: Buffer[] = [];
    for (let at = 0; at < long.length; at += 40_000) pieces.push(long.subarray(at, at + 40_000));
    expect(await read(pieces, { type: JSON_TYPE })).toEqual(TOLD);
  });

  it('without usage, with that of /usages, or that is no JSON says nothing', async () => {
    const nothing = { usage: null, model: null };
    for (const text of ['', '{}', '[]', '{"usage":{"limit":"100","used":"3"}}', 'usage', '{"usage":']) {
      expect([text, await read([text], { type: JSON_TYPE })]).toEqual([text, nothing]);
    }
  });
});

describe('a compressed answer', () => {
  const text = openAiEvents().join('');
  const anthropic = ANTHROPIC.join('');

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
  ] as const)('in %s is read all the same', async (encoding, compress) => {
    const bytes = compress(Buffer.from(text));
    expect(await read([bytes], { encoding })).toEqual(TOLD);
    expect(
      await read(
        [...bytes].map((byte) => Buffer.from([byte])),
        { encoding },
      ),
    ).toEqual(TOLD);
    expect(
      await read([compress(Buffer.from(JSON.stringify({ model: 'k3', usage: USAGE })))], { encoding, type: JSON_TYPE }),
    ).toEqual(TOLD);
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
  ] as const)('in %s that is cut off says what it said until then', async (encoding, compress) => {
    // Noise behind the start, so that the start is whole in the first half of the bytes.
    const noise = `data: ${randomBytes(300_000).toString('base64')}\n\n`;
    const bytes = compress(Buffer.from(`${ANTHROPIC[0]}${noise}${anthropic}`));
    const half = bytes.subarray(0, bytes.length / 2);
    const { usage } = await read([half], { encoding, protocol: 'anthropic' });
    expect(usage).toEqual({ input: 100, cached: 60, output: 0, reasoning: 0 });
  });

  it('that is broken, empty or no such encoding at all says what could be read, and throws nothing', async () => {
    const whole = gzipSync(Buffer.from(text));
    const broken = Buffer.concat([whole.subarray(0, 12), randomBytes(400)]);
    const nothing = { usage: null, model: null };
    expect(await read([broken], { encoding: 'gzip' })).toEqual(nothing);
    expect(await read([], { encoding: 'gzip' })).toEqual(nothing);
    expect(await read(['plain text'], { encoding: 'br' })).toEqual(nothing);
    expect(await read([whole, Buffer.alloc(40)], { encoding: 'gzip' })).toEqual(TOLD);
  });
});

it('any cutting of the same bytes gives the same, and the bytes stay as they are', async () => {
  const bodies: readonly (readonly [Buffer, Answer, AnswerUsage])[] = [
    [Buffer.from(openAiEvents().join('')), {}, TOLD],
    [Buffer.from(ANTHROPIC.join('')), { protocol: 'anthropic' }, ANTHROPIC_TOLD],
    [Buffer.from(JSON.stringify({ model: 'k3', usage: USAGE })), { type: JSON_TYPE }, TOLD],
    [gzipSync(Buffer.from(openAiEvents().join(''))), { encoding: 'gzip' }, TOLD],
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bodies),
      fc.array(fc.integer({ min: 0, max: 60 })),
      async ([body, answer, told], cuts) => {
        const bytes = Buffer.from(body);
        expect(await read(cutInPieces(bytes, cuts), answer)).toEqual(told);
        expect(bytes.equals(body)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

it('noise of any kind throws nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.uint8Array(), fc.constantFrom(...openAiEvents(), '"usage":{', '"model":"'))),
      fc.constantFrom(STREAM, JSON_TYPE),
      fc.constantFrom(undefined, 'gzip', 'br', 'deflate'),
      async (noise, type, encoding) => {
        const pieces = noise.map((piece) => Buffer.from(piece as string));
        await read(pieces, { type, ...(encoding === undefined ? {} : { encoding }) });
      },
    ),
  );
});

it('there is no tap for answers that cannot state usage', () => {
  const of = (contentType: string | undefined, contentEncoding?: string) =>
    createUsageTap(contentType, contentEncoding, 'openai') !== null;
  expect([undefined, 'text/html', 'application/octet-stream', 'application/jsonl'].map((type) => of(type))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(of('application/problem+json')).toBe(true);
  expect([of(STREAM, 'identity'), of(STREAM, 'zstd'), of(STREAM, 'gzip, br')]).toEqual([true, false, false]);
});

it('only endpoints that cost tokens have usage', () => {
  const endpoints = ['/chat/completions', '/messages', '/responses', '/messages/count_tokens', '/models', '/usages', '/files'];
  expect(endpoints.map(usageProtocolOf)).toEqual(['openai', 'anthropic', 'openai', null, null, null, null]);
});

it('a tapped sink passes every byte on before it reads it, with the back-pressure of the sink behind', async () => {
  const passed: unknown[] = [];
  const inner = {
    head: (head: AnswerHead) => void passed.push(head),
    end: () => undefined,
    whenReady: () => undefined,
    data: (chunk: Buffer) => {
      passed.push(chunk);
      return passed.length < 3;
    },
  };
  const tapped = new TappedSink(inner, 'openai');
  expect(await tapped.read()).toEqual({ usage: null, model: null });
  const headers = ['Content-Type', STREAM];
  const chunks = openAiEvents().map((event) => Buffer.from(event));
  const head = readAnswerHead(200, 'OK', headers);
  tapped.head(head);
  expect(chunks.map((chunk) => tapped.data(chunk))).toEqual([true, false, false]);
  expect(passed).toEqual([head, ...chunks]);
  for (const [n, chunk] of chunks.entries()) expect(passed[n + 1]).toBe(chunk);
  expect(await tapped.read()).toEqual(TOLD);
});
