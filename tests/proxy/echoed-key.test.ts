import type { ServerResponse } from 'node:http';
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  createGunzip,
  createGzip,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
} from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { Answer } from '../support/http-client.ts';
import { startHttpUpstream } from '../support/http-upstream.ts';
import { keyOf, openChat, startTestProxy, type TestProxy } from '../support/proxy.ts';

const KEY = keyOf('a');
const STARS = '*'.repeat(KEY.length);
const json = { 'content-type': 'application/json' };
const said = (key: string) => `{"error":{"message":"No such key: ${key}, at all","type":"invalid_request_error"}}`;
const headerIn = ({ rawHeaders }: Answer, name: string) => {
  const at = rawHeaders.findIndex((one, n) => n % 2 === 0 && one.toLowerCase() === name);
  return at === -1 ? undefined : rawHeaders[at + 1];
};

async function answering(answer: (response: ServerResponse) => void): Promise<TestProxy> {
  const upstream = await startHttpUpstream(answer);
  return startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
}

describe('an error that echoes the key', () => {
  it('goes out with stars in its place, in equal length', async () => {
    const proxy = await answering((response) => response.writeHead(400, json).end(said(KEY)));
    const answer = await proxy.chat();
    expect(answer.text).toBe(said(STARS));
  });

  it('has its announced length', async () => {
    const body = said(KEY);
    const proxy = await answering((response) =>
      response.writeHead(400, { ...json, 'content-length': String(body.length) }).end(body),
    );
    const answer = await proxy.chat();
    expect([answer.text, headerIn(answer, 'content-length'), answer.error]).toEqual([said(STARS), String(body.length), null]);
  });

  it('in pieces does so too', async () => {
    const body = said(KEY);
    const proxy = await answering((response) => {
      response.writeHead(422, json);
      const middle = body.indexOf(KEY) + 5;
      response.write(body.slice(0, middle), () => setTimeout(() => response.end(body.slice(middle)), 20));
    });
    expect((await proxy.chat()).text).toBe(said(STARS));
  });

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['gzip, br', (bytes: string) => brotliCompressSync(gzipSync(bytes))],
  ])('in %s goes out unpacked', async (encoding, pack) => {
    const packed = pack(said(KEY));
    const headers = { ...json, 'content-encoding': encoding, 'content-length': String(packed.length) };
    const proxy = await answering((response) => response.writeHead(400, headers).end(packed));
    const answer = await proxy.chat();
    expect(answer.text).toBe(said(STARS));
    expect([headerIn(answer, 'content-encoding'), headerIn(answer, 'content-length')]).toEqual([
      undefined,
      String(answer.body.length),
    ]);
  });

  it('that is packed without an echo passes as it came', async () => {
    const packed = gzipSync(said('sk-***'));
    const proxy = await answering((response) => response.writeHead(400, { ...json, 'content-encoding': 'gzip' }).end(packed));
    const answer = await proxy.chat();
    expect([answer.body.equals(packed), headerIn(answer, 'content-encoding')]).toEqual([true, 'gzip']);
  });

  it('packed without a word of it goes out unpacked, with its own length', async () => {
    const packed = gzipSync(said(KEY));
    const proxy = await answering((response) =>
      response.writeHead(400, { ...json, 'content-length': String(packed.length) }).end(packed),
    );
    const answer = await proxy.chat();
    expect([answer.text, headerIn(answer, 'content-length')]).toEqual([said(STARS), String(said(KEY).length)]);
  });

  it('behind a mark of the byte order is still told as what it is', async () => {
    const proxy = await answering((response) => response.writeHead(401, json).end(`\uFEFF${said(KEY)}`));
    const { error } = JSON.parse((await proxy.chat()).text) as { error: { message: string } };
    expect(error.message).toMatch(/\(401\): No such key: \*+, at all\. /);
  });

  it('in its headers and its status line has it covered there', async () => {
    const proxy = await answering((response) => {
      response.writeHead(400, `Bad key ${KEY}`, {
        'set-cookie': [`a=1`, `key=${encodeURIComponent(`Bearer ${KEY}`)}`],
        'x-debug': Buffer.from(`Bearer ${KEY}`).toString('base64'),
        'x-plain': 'as it was',
      });
      response.end('{}');
    });
    const answer = await proxy.chat();
    const all = `${answer.reason} ${answer.rawHeaders.join(' ')}`;
    expect(all).not.toContain(KEY);
    expect(all).not.toContain(Buffer.from(KEY).toString('base64').slice(4, 20));
    expect(answer.rawHeaders.filter((one) => one === 'set-cookie' || one === 'Set-Cookie')).toHaveLength(2);
    expect(answer.rawHeaders).toContain('as it was');
  });

  it('without an end is cut, and what has come of the key is covered', async () => {
    const filler = 'x'.repeat(64 * 1024);
    const proxy = await answering((response) => {
      response.writeHead(400, json);
      response.write(said(KEY));
      const more = () => {
        if (!response.destroyed) response.write(filler, () => setImmediate(more));
      };
      more();
    });
    const answer = await proxy.chat();
    expect(answer.text.slice(0, said(KEY).length)).toBe(said(STARS));
  });
});

describe('an answer with status 200 that begins with an error', () => {
  const event = (key: string) => `data: {"error":{"message":"bad key ${key}"}}\n\n`;
  const sse = { 'content-type': 'text/event-stream' };

  it.each<[string, (key: string) => string]>([
    ['of OpenAI', event],
    ['of Anthropic', (key) => `event: error\ndata: {"type":"error","error":{"message":"${key}"}}\n\n`],
    ['with line ends of two characters', (key) => `event: error\r\ndata: {"error":"${key}"}\r\n\r\n`],
    ['after a comment', (key) => `: keep-alive\n\n${event(key)}`],
    ['without an end', (key) => event(key).trimEnd()],
  ])('%s, in one piece or byte by byte', async (_, text) => {
    const body = Buffer.from(text(KEY));
    let isSlow = false;
    const proxy = await answering((response) => {
      response.writeHead(200, sse);
      if (!isSlow) response.end(body);
      else {
        let at = 0;
        const next = () => {
          if (at >= body.length) response.end();
          else {
            response.write(body.subarray(at, at + 9), () => setImmediate(next));
            at += 9;
          }
        };
        next();
      }
    });
    expect((await proxy.chat({ stream: true })).text).toBe(text(STARS));
    isSlow = true;
    expect((await proxy.chat({ stream: true })).text).toBe(text(STARS));
  });

  it('as JSON, whole, in pieces and packed', async () => {
    const body = `{"error":{"message":"bad ${KEY}"}}`;
    let turn = 0;
    const proxy = await answering((response) => {
      turn += 1;
      if (turn === 1) response.writeHead(200, { ...json, 'content-length': String(body.length) }).end(body);
      else if (turn === 2) {
        response.writeHead(200, json);
        response.write(body.slice(0, 35), () => setTimeout(() => response.end(body.slice(35)), 10));
      } else if (turn === 3) response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(body));
      else response.writeHead(200, { ...sse, 'content-encoding': 'br' }).end(brotliCompressSync(`data: ${body}\n\n`));
    });
    for (let n = 1; n <= 3; n++) expect((await proxy.chat()).text).toBe(body.replace(KEY, STARS));
    expect((await proxy.chat({ stream: true })).text).toBe(`data: ${body.replace(KEY, STARS)}\n\n`);
  });

  it.each([
    ['gzip', gzipSync, gunzipSync],
    ['br', brotliCompressSync, brotliDecompressSync],
    ['deflate', deflateSync, inflateSync],
    ['gzip, br', (text: string) => brotliCompressSync(gzipSync(text)), (body: Buffer) => gunzipSync(brotliDecompressSync(body))],
  ])('in %s goes out packed when its head had to go before', async (encoding, pack, unpack) => {
    for (const [type, text] of [
      [sse, event],
      [json, said],
    ] as const) {
      let finish: () => void = () => undefined;
      const proxy = await answering((response) => {
        response.writeHead(200, { ...type, 'content-encoding': encoding }).flushHeaders();
        const packed = pack(text(KEY));
        // The first bytes of a packing say nothing of the text, or not enough.
        finish = () => response.write(packed.subarray(0, 10), () => setTimeout(() => response.end(packed.subarray(10)), 10));
      });
      const incoming = await openChat(proxy).response;
      expect(incoming.headers['content-encoding']).toBe(encoding);
      finish();
      const pieces: Buffer[] = [];
      for await (const piece of incoming) pieces.push(piece);
      expect(unpack(Buffer.concat(pieces)).toString()).toBe(text(STARS));
    }
  });

  it('is not waited for in a packed stream: its head and comments come at once, and every byte as it was', async () => {
    let goOn: (text: string) => void = () => undefined;
    const proxy = await answering((response) => {
      response.writeHead(200, { ...sse, 'content-encoding': 'gzip' }).flushHeaders();
      const packer = createGzip();
      packer.pipe(response);
      goOn = (text) => {
        packer.write(text);
        packer.flush(constants.Z_SYNC_FLUSH);
      };
    });
    const outgoing = openChat(proxy);
    const incoming = await outgoing.response;
    let text = '';
    incoming.on('error', () => undefined);
    incoming.pipe(createGunzip().on('error', () => undefined)).on('data', (piece: Buffer) => {
      text += piece;
    });
    for (const [said, heard] of [
      [': keep-alive\n\n', ': keep-alive\n\n'],
      ['data: {"id":"1"}\n\n', ': keep-alive\n\ndata: {"id":"1"}\n\n'],
    ] as const) {
      goOn(said);
      await eventually(() => expect(text).toBe(heard));
    }
    incoming.destroy();
  });

  it('is told from others: an ordinary stream passes as it comes, also when it is slow to end its first event', async () => {
    const text = `data: {"choices":[{"delta":{"content":"the word error"}}]}\n\ndata: ${KEY}\n\ndata: [DONE]\n\n`;
    const packed = gzipSync('{"id":"x","choices":[]}');
    let isPacked = false;
    const proxy = await answering((response) => {
      if (isPacked) response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(packed);
      else response.writeHead(200, sse).end(text);
    });
    expect((await proxy.chat({ stream: true })).text).toBe(text);
    isPacked = true;
    expect((await proxy.chat()).body.equals(packed)).toBe(true);
  });
});
