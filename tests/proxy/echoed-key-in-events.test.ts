import { describe, expect, it } from 'vitest';
import { EventGuard, mayHoldErrorEvent } from '../../src/proxy/exchange/event-guard.ts';
import { startHttpUpstream } from '../support/http-upstream.ts';
import { keyOf, openChat, startTestProxy } from '../support/proxy.ts';

const KEY = keyOf('a');
const STARS = '*'.repeat(KEY.length);
const sse = { 'content-type': 'text/event-stream' };

/** How each protocol begins, goes on and fails in the middle. */
const STREAMS: readonly [string, (key: string) => string][] = [
  [
    'Responses',
    (key) =>
      `event: response.created\ndata: {"type":"response.created","response":{"id":"r","error":null}}\n\nevent: response.failed\ndata: {"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_api_key","message":"bad key ${key}"}}}\n\n`,
  ],
  [
    'Responses with an event of its own',
    (key) =>
      `data: {"type":"response.created","response":{"error":null}}\n\nevent: error\ndata: {"type":"error","code":null,"message":"bad ${key}"}\n\n`,
  ],
  [
    'Anthropic',
    (key) =>
      `event: message_start\ndata: {"type":"message_start"}\n\nevent: error\ndata: {"type":"error","error":{"type":"authentication_error","message":"${key}"}}\n\n`,
  ],
  [
    'chat',
    (key) => `data: {"choices":[]}\n\ndata: {"choices":[]}\n\ndata: {"error":{"message":"bad ${key}"}}\n\ndata: [DONE]\n\n`,
  ],
  ['chat with the message first', (key) => `data: {"choices":[]}\n\ndata: {"message":"bad ${key}","type":"error"}\n\n`],
  ['chat, returns', (key) => `data: {"choices":[]}\r\n\r\ndata: {"error": "bad ${key}"}\r\n\r\n`],
  ['text', (key) => `data: {"choices":[]}\n\nevent:error\ndata: bad ${key}\n\n: bye\n\n`],
];

/** What a stream in pieces becomes, as the relay asks the guard. */
function relayed(pieces: readonly string[]): string[] {
  let guard: EventGuard | null = null;
  const passed = pieces.map((piece) => {
    const chunk = Buffer.from(piece);
    if (guard === null && !mayHoldErrorEvent(chunk)) return piece;
    guard ??= new EventGuard(KEY);
    const passing = guard.take(chunk);
    if (guard.isOver) guard = null;
    return passing?.toString() ?? '';
  });
  return [...passed, (guard as EventGuard | null)?.end()?.toString() ?? ''];
}

const inPieces = (text: string, size: number) =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, n) => text.slice(n * size, (n + 1) * size));

/** Of a key in front of the word that makes its event an error, a few characters may have gone on: they give nothing away. */
const GONE_ON_MAX = 5;

function hasNoKey(relayed: string, text: (key: string) => string): void {
  const at = text(STARS).indexOf(STARS);
  expect(relayed.slice(0, at)).toBe(text(STARS).slice(0, at));
  expect(relayed.slice(at + GONE_ON_MAX)).toBe(text(STARS).slice(at + GONE_ON_MAX));
}

describe('an error in the middle of a stream', () => {
  it.each(STREAMS)('of %s goes out without the key, wherever the stream is cut', (_, text) => {
    const whole = text(KEY);
    for (let at = 0; at <= whole.length; at++) hasNoKey(relayed([whole.slice(0, at), whole.slice(at)]).join(''), text);
    for (const size of [1, 7, 20]) hasNoKey(relayed(inPieces(whole, size)).join(''), text);
  });

  it.each([{}, { 'content-length': 'announced' }])('goes through the proxy so, with %j', async (more) => {
    let text = STREAMS[0]?.[1] as (key: string) => string;
    const upstream = await startHttpUpstream((response) => {
      const body = text(KEY);
      response.writeHead(200, { ...sse, ...('content-length' in more ? { 'content-length': String(body.length) } : {}) });
      const middle = body.indexOf(KEY) + 9;
      response.write(body.slice(0, middle), () => setTimeout(() => response.end(body.slice(middle)), 10));
    });
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    for (const [, one] of STREAMS.slice(0, 4)) {
      text = one;
      expect((await proxy.chat({ stream: true })).text).toBe(text(STARS));
    }
  });

  it('that is long is not held back whole, and has no key in it either', () => {
    const text = (key: string) =>
      `data: {}\n\nevent: error\ndata: {"error":"${key} ${'x'.repeat(65_400)}${key}${'y'.repeat(150_000)} ${key}"}\n\ndata: ${KEY}\n\n`;
    for (const size of [997, 1000, 40_000, 500_000]) {
      const passed = relayed(inPieces(text(KEY), size));
      expect(passed.join('') === text(STARS)).toBe(true);
      if (size < 40_000) expect(passed.findIndex((piece) => piece.includes('yyy'))).toBeLessThan(150);
    }
  });

  it('that breaks off has what has come of the key covered', async () => {
    const upstream = await startHttpUpstream((response) => {
      response.writeHead(200, sse);
      response.write(`data: {}\n\ndata: {"error":"bad ${KEY.slice(0, -4)}`, () => setTimeout(() => response.destroy(), 20));
    });
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const incoming = await openChat(proxy, { stream: true }).response;
    let text = '';
    try {
      for await (const piece of incoming) text += piece;
    } catch {
      // It is aborted.
    }
    expect(text).toContain('data: {}\n\n');
    expect(text).not.toContain(KEY.slice(0, 10));
  });
});

describe('what is no error', () => {
  const ORDINARY = [
    `data: {"choices":[{"delta":{"content":"error: \\"error\\": ${KEY}"}}]}\n\n`,
    `event: response.completed\ndata: {"response":{"error": null,"output":"${KEY}"}}\n\n`,
    `data: {"delta":"${'x'.repeat(200_000)} error ${KEY}"}\n\n`,
    `: error ${KEY}\n\n`,
  ];

  it.each(ORDINARY.map((text) => [text.slice(0, 60), text]))('passes as it came: %s', (_, text) => {
    expect(relayed([text, text]).join('')).toBe(text + text);
    const pieces = inPieces(text, 1000);
    expect(relayed([...pieces, ...pieces]).join('')).toBe(text + text);
  });

  it('is not held back, unless the key stands in it', () => {
    const event = 'data: {"choices":[{"delta":{"content":"an error"}}],"error":null}\n\n';
    const pieces = inPieces(event, 5);
    expect(relayed(pieces).slice(0, -1)).toEqual(pieces);
    const chunk = Buffer.from(event);
    expect(new EventGuard(KEY).take(chunk)).toBe(chunk);
  });

  it('needs no look when it ends with an event and says nothing of an error', () => {
    for (const end of ['\n\n', '\r\n\r\n', '\r\r']) expect(mayHoldErrorEvent(Buffer.from(`data: {}${end}`))).toBe(false);
    for (const end of ['', '\n', '\r\n', '\r']) expect(mayHoldErrorEvent(Buffer.from(`data: {}${end}`))).toBe(true);
  });
});

it('a redirect names the key neither in its address nor in its page', async () => {
  const page = `<a href="/login?key=${KEY}">on</a>`;
  const upstream = await startHttpUpstream((response) => {
    response.writeHead(302, `On to ${KEY}`, { location: `/login?key=${encodeURIComponent(KEY)}`, 'content-type': 'text/html' });
    response.write(page.slice(0, 30), () => setTimeout(() => response.end(page.slice(30)), 10));
  });
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
  const answer = await proxy.chat();
  expect(answer.status).toBe(302);
  expect(answer.text).toBe(page.replace(KEY, STARS));
  expect(answer.rawHeaders).toContain(`/login?key=${STARS}`);
  expect(answer.reason).toBe(`On to ${STARS}`);
});
