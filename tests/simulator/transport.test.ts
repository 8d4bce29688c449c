import { request } from 'node:http';
import { createGunzip, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chat, exchange, get, KEY, openSimulator } from './client.ts';

const STREAM = { body: '{"stream":true}' };
const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString();

describe('a broken connection', () => {
  it('refuses by resetting before an answer', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('refuse', { times: 1 });
    const broken = await exchange(`${simulator.baseUrl}/chat/completions`);
    expect(broken).toMatchObject({ status: null, error: 'ECONNRESET' });
    expect((await chat(simulator)).status).toBe(200);
    expect(simulator.account('a').books).toMatchObject({ broken: 1, aborted: 0, served: 1 });
  });

  it('hangs until the client leaves', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('hang');
    const leave = new AbortController();
    const answer = chat(simulator, {}, { signal: leave.signal });
    await simulator.waitFor(([request]) => request !== undefined && request.body.length > 0);
    expect(simulator.openResponses).toBe(1);
    leave.abort();
    await expect(answer).rejects.toThrow('abort');
    await simulator.waitFor(([request]) => request?.aborted === true);
    expect(simulator.received[0]).toMatchObject({ status: null, aborted: true });
    expect(simulator.account('a').books.aborted).toBe(1);
  });

  it('resets a stream half-way, after what came before has arrived', async () => {
    const simulator = await openSimulator();
    const whole = await exchange(`${simulator.baseUrl}/chat/completions`, STREAM);
    simulator.account('a').fail('reset', { times: 1 });
    const broken = await exchange(`${simulator.baseUrl}/chat/completions`, STREAM);
    expect(broken.status).toBe(200);
    expect(broken.error).toBe('ECONNRESET');
    expect(text(broken.chunks)).toHaveLength(Math.ceil(text(whole.chunks).length / 2));
    expect(text(broken.chunks)).toContain('Hello');
    expect(text(broken.chunks)).not.toContain('[DONE]');
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect(simulator.received[1]).toMatchObject({ status: 200, aborted: false });
    expect(simulator.account('a').books).toMatchObject({ served: 1, broken: 1 });
  });

  it.each([
    ['stream', STREAM],
    ['whole answer', {}],
  ])('resets a %s after exactly the bytes told', async (_, init) => {
    const simulator = await openSimulator();
    for (const bytes of [0, 1, 100]) {
      simulator.account('a').behave({ resetAfterBytes: bytes });
      const broken = await exchange(`${simulator.baseUrl}/chat/completions`, init);
      expect(broken).toMatchObject({ status: 200, error: 'ECONNRESET' });
      expect(text(broken.chunks)).toHaveLength(bytes);
    }
    expect((await get(simulator, '/usages')).status).toBe(200);
  });

  it('never ends well when the body is shorter than the point of the reset', async () => {
    const simulator = await openSimulator({ behaviour: { resetAfterBytes: 1_000_000 } });
    const broken = await exchange(`${simulator.baseUrl}/chat/completions`, STREAM);
    expect(broken.error).toBe('ECONNRESET');
    expect(text(broken.chunks)).toContain('[DONE]');
  });

  it('takes the pauses and delays of a stream along when the client leaves', async () => {
    const simulator = await openSimulator({ behaviour: { chunkPauseMs: 60_000 } });
    const leave = new AbortController();
    const response = await chat(simulator, { stream: true }, { signal: leave.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('"role":"assistant"');
    leave.abort();
    await simulator.waitFor(([request]) => request?.aborted === true);
    expect(simulator.openResponses).toBe(0);
    expect(simulator.account('a').books).toMatchObject({ served: 0, aborted: 1, outputTokens: 0 });
  });
});

describe('gzip', () => {
  it('compresses for clients that accept it, and for no others', async () => {
    const simulator = await openSimulator({ behaviour: { gzip: true } });
    const url = `${simulator.baseUrl}/chat/completions`;
    const plain = await exchange(url, { headers: { 'accept-encoding': 'identity' } });
    expect(JSON.parse(text(plain.chunks)).object).toBe('chat.completion');
    const packed = await exchange(url, { headers: { 'accept-encoding': 'br, gzip' } });
    expect(packed.rawHeaders).toContain('gzip');
    expect(JSON.parse(gunzipSync(Buffer.concat(packed.chunks)).toString()).object).toBe('chat.completion');
    const stream = await exchange(url, { ...STREAM, headers: { 'accept-encoding': 'gzip' } });
    expect(gunzipSync(Buffer.concat(stream.chunks)).toString()).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
  });

  it('lets every event out before the next one', async () => {
    const simulator = await openSimulator({ behaviour: { gzip: true, chunkPauseMs: 60_000 } });
    const outgoing = request(`${simulator.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'accept-encoding': 'gzip' },
      agent: false,
    });
    const first = new Promise<string>((resolve, reject) => {
      outgoing.on('response', (incoming) => {
        const gunzip = createGunzip();
        incoming.on('data', (bytes: Buffer) => gunzip.write(bytes));
        incoming.on('error', () => gunzip.destroy());
        gunzip.once('data', (bytes: Buffer) => resolve(bytes.toString()));
        gunzip.once('error', reject);
      });
    });
    outgoing.end('{"stream":true}');
    expect(await first).toMatch(/^data: .*"role":"assistant".*\n\n$/);
    outgoing.destroy();
    await simulator.waitFor(([received]) => received?.aborted === true);
  });
});

describe('a raw answer', () => {
  it('goes out as given, headers repeated and bytes unchanged', async () => {
    const simulator = await openSimulator();
    const bytes = Buffer.from([0, 255, 13, 10, 195]);
    simulator.account('a').respondWith({
      status: 207,
      headers: ['X-Twice', '1', 'x-twice', '2', 'Content-Type', 'application/x-odd', 'Content-Length', '5'],
      chunks: [bytes],
    });
    const answer = await exchange(`${simulator.baseUrl}/chat/completions`);
    expect(answer.status).toBe(207);
    expect(answer.rawHeaders.slice(0, 8)).toEqual([
      'X-Twice',
      '1',
      'x-twice',
      '2',
      'Content-Type',
      'application/x-odd',
      'Content-Length',
      '5',
    ]);
    expect(answer.rawHeaders).not.toContain('set-cookie');
    expect(Buffer.concat(answer.chunks)).toEqual(bytes);
    expect(simulator.received[0]).toMatchObject({ status: 207, aborted: false });
  });

  it('takes headers as pairs, and any route but /usages and /me', async () => {
    const simulator = await openSimulator();
    simulator.account('a').respondWith({ headers: [['x-raw', 'yes']], chunks: ['one ', 'two'] });
    for (const path of ['/models', '/no/such/path']) {
      const response = await get(simulator, path);
      expect([response.status, response.headers.get('x-raw'), await response.text()]).toEqual([200, 'yes', 'one two']);
    }
    for (const path of ['/usages', '/me']) expect((await get(simulator, path)).headers.has('x-raw')).toBe(false);
  });

  it('answers as often as told, then normally', async () => {
    const simulator = await openSimulator();
    simulator.account('a').respondWith({ status: 418, chunks: [] }, { times: 1 });
    expect((await chat(simulator)).status).toBe(418);
    expect((await chat(simulator)).status).toBe(200);
  });

  it('sends each chunk by itself when there is a pause between them', async () => {
    const simulator = await openSimulator();
    simulator.account('a').respondWith({ chunks: ['data: ü', Buffer.from([0xc3]), Buffer.from([0xbc])], pauseMs: 30 });
    const { chunks } = await exchange(`${simulator.baseUrl}/chat/completions`);
    expect(chunks.map((chunk) => chunk.length)).toEqual([8, 1, 1]);
    expect(text(chunks)).toBe('data: üü');
  });

  it.each(['reset', 'cut'] as const)('ends with a %s after the last chunk', async (end) => {
    const simulator = await openSimulator();
    simulator.account('a').respondWith({ chunks: ['part', 'ial'], end });
    const answer = await exchange(`${simulator.baseUrl}/chat/completions`);
    expect(answer).toMatchObject({ status: 200, error: 'ECONNRESET' });
    expect(text(answer.chunks)).toBe('partial');
    expect(simulator.account('a').books.broken).toBe(1);
  });

  it('hangs after the last chunk until the client leaves', async () => {
    const simulator = await openSimulator();
    simulator.account('a').respondWith({ chunks: ['partial'], end: 'hang' });
    const leave = new AbortController();
    const response = await chat(simulator, {}, { signal: leave.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('partial');
    leave.abort();
    await simulator.waitFor(([request]) => request?.aborted === true);
  });

  it('waits for a client that reads slowly instead of piling the answer up', async () => {
    const simulator = await openSimulator();
    const chunk = Buffer.alloc(1_000_000, 'x');
    simulator.account('a').respondWith({ chunks: Array(64).fill(chunk) });
    const response = await get(simulator, '/models');
    expect(simulator.openResponses).toBe(1);
    expect((await response.arrayBuffer()).byteLength).toBe(64_000_000);
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect(simulator.received[0]).toMatchObject({ aborted: false, status: 200 });
  });
});
