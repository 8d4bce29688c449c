import { describe, expect, it } from 'vitest';
import { send } from '../support/http-client.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { inParallel } from './traffic.ts';

const EVENTS = [
  'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
  'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Grüße, 世界"}}]}\r\n\r\n',
  ': a comment\n\ndata:{"id":"x","choices":[{"index":0,"delta":{"content":"!"}}]}\n\n',
  'data: [DONE]\n\n',
].map((text) => Buffer.from(text));
const HEAD = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n');
const chunked = EVENTS.map((event) =>
  Buffer.concat([Buffer.from(`${event.length.toString(16)}\r\n`), event, Buffer.from('\r\n')]),
);
const WIRE = Buffer.concat([HEAD, ...chunked, Buffer.from('0\r\n\r\n')]);
const PAYLOAD = Buffer.concat(EVENTS);

/** How many bytes of the text are in the first `cut` bytes of the wire. */
function textBytesIn(cut: number): number {
  let at = HEAD.length;
  let text = 0;
  for (const [n, event] of EVENTS.entries()) {
    const sizeLine = (chunked[n] as Buffer).length - event.length - 2;
    text += Math.min(Math.max(cut - at - sizeLine, 0), event.length);
    at += (chunked[n] as Buffer).length;
  }
  return text;
}

/** What the client got is the text up to the cut, then at most the error event. */
function problemOf(
  cut: number,
  body: Buffer,
  error: string | null,
  calls: number,
  protocol: 'openai' | 'anthropic',
): string | null {
  const got = textBytesIn(cut);
  if (calls !== 1) return `${calls} upstream calls`;
  if (!body.subarray(0, got).equals(PAYLOAD.subarray(0, got))) return `not the text before the cut: ${body.toString()}`;
  if (error === null) return 'the client cannot tell';
  const rest = body.subarray(got).toString();
  if (rest === '') return null;
  const event =
    protocol === 'openai' ? /^\ndata: (\{"error":\{.*\}\})\n\n$/ : /^\nevent: error\ndata: (\{"type":"error",.*\}\})\n\n$/;
  const data = event.exec(rest)?.[1];
  if (data === undefined) return `not an error event: ${rest}`;
  JSON.parse(data);
  return null;
}

describe('a stream cut anywhere after its head', () => {
  itSurvives('is seen as cut by the client, and the upstream is asked once', 300_000, async (random) => {
    let cut = 0;
    let ending: 'fin' | 'reset' = 'fin';
    let calls = 0;
    const upstream = await startRawUpstream((socket) => {
      calls += 1;
      socket.write(WIRE.subarray(0, cut), () => {
        if (ending === 'fin') socket.end();
        // What was written leaves first: a reset discards what is still in the socket.
        else setTimeout(() => socket.resetAndDestroy(), 5);
      });
    });
    const { startProxy } = await install({
      accounts: ['a', 'b'],
      settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_PROXY_RETRY_MAX: '2' },
    });
    const { url } = await startProxy();
    const all = Array.from({ length: WIRE.length - HEAD.length }, (_, n) => HEAD.length + n);
    const step = sized(7, 1);
    const offset = random.between(0, step - 1);
    const problems: string[] = [];
    let tried = 0;
    for (const end of ['fin', 'reset'] as const) {
      for (const protocol of ['openai', 'anthropic'] as const) {
        for (const at of all.filter((_, n) => n % step === offset)) {
          cut = at;
          ending = end;
          calls = 0;
          tried += 1;
          const path = protocol === 'openai' ? '/chat/completions' : '/messages';
          const { body, error } = await send(url + path, {
            body: '{"stream":true}',
            headers: { 'content-type': 'application/json' },
          });
          const problem = problemOf(cut, body, error, calls, protocol);
          if (problem !== null) problems.push(`cut at ${cut} of ${WIRE.length} by ${end}, ${protocol}: ${problem}`);
        }
      }
    }
    expect(problems).toEqual([]);
    measured('streams cut after the head', { cuts: tried, unnoticed: 0, secondCalls: 0 });
  });

  itSurvives('is served by another connection when it was cut inside the head', 120_000, async (random) => {
    let cut = 0;
    let calls = 0;
    const upstream = await startRawUpstream((socket) => {
      calls += 1;
      if (calls > 1) socket.write(WIRE);
      else if (cut === 0) socket.end();
      else socket.write(WIRE.subarray(0, cut), () => socket.end());
    });
    const { startProxy } = await install({ accounts: ['a', 'b'], settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const { url } = await startProxy();
    const step = sized(9, 1);
    const offset = random.between(0, step - 1);
    for (cut = offset; cut < HEAD.length; cut += step) {
      calls = 0;
      const { status, body, error } = await send(`${url}/chat/completions`, { body: '{"stream":true}' });
      expect({ cut, status, error, calls, whole: body.equals(PAYLOAD) }).toEqual({
        cut,
        status: 200,
        error: null,
        calls: 2,
        whole: true,
      });
    }
  });
});

const LONG_LINE = `data: {"choices":[{"delta":{"content":"${'x'.repeat(2 * 1024 * 1024)}"}}]}\n\n`;
const ODD: Readonly<Record<string, string>> = {
  'data: without a space': 'data:{"a":1}\n\ndata:{"a":2}\n\ndata:[DONE]\n\n',
  'lines that end with CRLF': 'event: x\r\ndata: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n',
  'lines that end with CR': 'data: {"a":1}\r\rdata: [DONE]\r\r',
  comments: ': ping\n\n: another\ndata: 1\n\n:\n\n',
  'letters of several bytes': 'data: {"text":"世界 🌍 ñ é"}\n\n',
  'a line of 2 MB': LONG_LINE,
  'no [DONE]': 'data: {"a":1}\n\n',
  'a second message_start':
    'event: message_start\ndata: {"type":"message_start"}\n\nevent: message_start\ndata: {"type":"message_start"}\n\n',
  'an error object inside a 200':
    'data: {"error":{"message":"The engine is currently overloaded","type":"engine_overloaded_error"}}\n\n',
  'half a line at the end': 'data: {"a":1}\n\ndata: {"a"',
  'nothing at all': '',
};

describe('an odd stream passes byte for byte', () => {
  const ready = install({ accounts: ['a'], autoRotate: false }).then(async (place) => ({
    place,
    url: (await place.startProxy()).url,
  }));
  it.each(Object.keys(ODD))('%s', async (name) => {
    const { place, url } = await ready;
    const bytes = Buffer.from(ODD[name] as string);
    // Cut between any two bytes, so also inside letters.
    const size = bytes.length > 10_000 ? 65_521 : 3;
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
    const account = place.simulator.account('a');
    account.heal().respondWith({ headers: ['content-type', 'text/event-stream'], chunks, pauseMs: chunks.length < 100 ? 1 : 0 });
    const { status, body, error } = await send(`${url}/chat/completions`, { body: '{"stream":true}' });
    expect([status, error, body.equals(bytes)]).toEqual([200, null, true]);
  });

  it('and an error object inside a whole 200 too', async () => {
    const { place, url } = await ready;
    const text = '{"error":{"message":"quota","type":"exceeded_current_quota_error"}}';
    place.simulator
      .account('a')
      .heal()
      .respondWith({ headers: ['content-type', 'application/json', 'content-length', String(text.length)], chunks: [text] });
    const answer = await send(`${url}/chat/completions`, { body: '{}' });
    expect([answer.status, answer.text]).toEqual([200, text]);
  });
});

it('many odd streams at once do not mix', async () => {
  const place = await install({ accounts: ['a'], autoRotate: false });
  const { url } = await place.startProxy();
  const account = place.simulator.account('a').behave({ echo: true });
  await inParallel(sized(200, 2_000), 24, async (n) => {
    const text = `{"n":${n},"text":"${'é'.repeat(n % 500)}"}`;
    const answer = await send(`${url}/chat/completions`, { body: text, headers: { 'content-type': 'application/json' } });
    expect(answer.text).toBe(text);
  });
  expect(account.name).toBe('a');
}, 60_000);
