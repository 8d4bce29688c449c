import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readAnswer } from '../support/http-client.ts';
import { chatBody, openChat, startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { soon } from '../support/soon.ts';

const SLOW = { behaviour: { chunkPauseMs: 80, chunks: 8 } };

describe('the built binary, told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s finishes its open stream, saves everything and exits with 0', async (signal) => {
    const proxy = await startBinaryProxy({ simulator: SLOW });
    const agent = new Agent({ keepAlive: true });
    const { response } = openChat(proxy, {}, { agent });
    const incoming = await response;
    await once(incoming, 'data');
    proxy.kmi.child.kill(signal);
    await proxy.kmi.waitForOutput(/Stopping/);
    const answer = await readAnswer(incoming);
    const finishedAt = performance.now();
    expect([answer.error, answer.text.includes('[DONE]')]).toEqual([null, true]);
    expect(await proxy.kmi.ended).toEqual({ code: 0, signal: null });
    // Kept-alive connections do not hold it up.
    expect(performance.now() - finishedAt).toBeLessThan(soon(2000));
    agent.destroy();
    expect(await proxy.trace(1)).toHaveLength(1);
    expect((await proxy.state()).keys.a).toMatchObject({ request_count: 1 });
    await proxy.log('The proxy stopped.');
  });

  it('takes no new connections meanwhile', async () => {
    const proxy = await startBinaryProxy({ simulator: SLOW });
    const incoming = await openChat(proxy).response;
    await once(incoming, 'data');
    proxy.kmi.child.kill('SIGTERM');
    await proxy.kmi.waitForOutput(/Stopping/);
    expect((await proxy.chat()).status).toBeNull();
    incoming.resume();
    expect(await proxy.kmi.ended).toEqual({ code: 0, signal: null });
  });

  it('twice ends the open stream', async () => {
    const proxy = await startBinaryProxy({ simulator: { behaviour: { chunkPauseMs: 60_000 } } });
    const incoming = await openChat(proxy).response;
    await once(incoming, 'data');
    const answer = readAnswer(incoming);
    proxy.kmi.child.kill('SIGTERM');
    await proxy.kmi.waitForOutput(/Stopping/);
    const secondAt = performance.now();
    proxy.kmi.child.kill('SIGTERM');
    expect((await answer).error).toBe('ECONNRESET');
    const { code } = await proxy.kmi.ended;
    expect(code).toBe(0);
    expect(performance.now() - secondAt).toBeLessThan(soon(2000));
    await proxy.simulator.waitFor(() => proxy.simulator.openResponses === 0);
  });

  it('with nothing to do is gone at once, idle connections or not', async () => {
    const proxy = await startBinaryProxy();
    const agent = new Agent({ keepAlive: true });
    expect((await proxy.chat({}, { agent })).status).toBe(200);
    const startedAt = performance.now();
    expect(await proxy.kmi.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(soon(2000));
    agent.destroy();
  });
});

it('a request that comes on an open connection while the proxy stops is answered, and the connection ends with it', async () => {
  const proxy = await startTestProxy({ simulator: SLOW });
  const { pathname, host, port } = new URL(proxy.url);
  const socket = connect(Number(port), '127.0.0.1');
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const closed = once(socket, 'close');
  const body = chatBody({ stream: true });
  const fields = `host: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`POST ${pathname}/chat/completions HTTP/1.1\r\n${fields}\r\n\r\n${body}`);
  await eventually(() => said.includes('data: ') || undefined);
  const stopped = proxy.serving.stop();
  socket.write(`GET ${pathname}/models HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  await closed;
  await stopped;
  const [, first, late] = said.split(/^HTTP\/1\.1 /m);
  expect(first).toMatch(/^200 [\s\S]*\[DONE\]/);
  expect(late).toMatch(/^200 [\s\S]*^connection: close\r\n[\s\S]*"data":\[/im);
});

it('an answer that a slow reader has not taken yet is not cut off', async () => {
  const answer = 'x'.repeat(60_000);
  let asked = 0;
  const upstream = await startRawUpstream((socket) => {
    asked += 1;
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`);
  });
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
  const { pathname, host, port } = new URL(proxy.url);
  const socket = connect(Number(port), '127.0.0.1').pause();
  // More than the system holds for a reader: the last that are answered wait inside the proxy.
  const question = `GET ${pathname}/models HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
  socket.write(question.repeat(400));
  const closed = once(socket, 'close');
  await eventually(async () => {
    const before = asked;
    await delay(300);
    return (before > 0 && before === asked) || undefined;
  });
  const stopped = proxy.serving.stop();
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.resume();
  await Promise.all([closed, stopped]);
  expect(asked).toBeGreaterThan(0);
  expect(bytes).toBeGreaterThan(asked * answer.length);
});
