import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { chat, exchange, KEY, openSimulator } from './client.ts';
import { beginDevice } from './oauth-client.ts';

describe('the record', () => {
  it('keeps a request as it came', async () => {
    const simulator = await openSimulator({ clock: () => 1234 });
    await exchange(`${simulator.baseUrl}/messages?beta=true&q=%20`, { headers: { 'X-Own': 'Yes' }, body: '{"a": 1}' });
    await simulator.waitFor(([request]) => request?.endedAt != null);
    expect(simulator.received).toHaveLength(1);
    expect(simulator.received[0]).toMatchObject({
      method: 'POST',
      url: '/coding/v1/messages?beta=true&q=%20',
      path: '/coding/v1/messages',
      query: 'beta=true&q=%20',
      headers: { 'x-own': 'Yes' },
      account: 'a',
      key: KEY,
      startedAt: 1234,
      endedAt: 1234,
      status: 200,
      aborted: false,
    });
    expect(simulator.received[0]?.rawHeaders).toEqual(expect.arrayContaining(['X-Own', 'Yes']));
    expect(simulator.received[0]?.body.toString()).toBe('{"a": 1}');
  });

  it('keeps what had arrived when the client leaves while sending', async () => {
    const simulator = await openSimulator();
    const socket = connect(simulator.port, '127.0.0.1');
    socket.write(`POST /coding/v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-length: 99\r\n\r\nhalf`);
    await simulator.waitFor((requests) => requests.length === 1);
    socket.destroy();
    await simulator.waitFor(([request]) => request?.aborted === true);
    expect(simulator.received[0]?.body.toString()).toBe('half');
    expect(simulator.received[0]?.status).toBeNull();
  });

  it('keeps no requests when told so, but the books', async () => {
    const simulator = await openSimulator({ record: false });
    await (await chat(simulator)).text();
    await (await chat(simulator, { stream: true })).text();
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect(simulator.received).toEqual([]);
    expect(simulator.account('a').books).toMatchObject({ served: 2, inputTokens: 4, outputTokens: 12 });
  });

  it('says what it saw when what is waited for does not come', async () => {
    const simulator = await openSimulator();
    await (await chat(simulator)).text();
    await beginDevice(simulator);
    await simulator.waitFor(() => simulator.openResponses === 0);
    await expect(simulator.waitFor(() => false, 20)).rejects.toThrow(
      /within 20 ms; it received 2 requests\nPOST \/coding\/v1\/chat\/completions by a: 200\nOAuth begin: begun, served$/,
    );
  });

  it('rejects when the predicate throws', async () => {
    const simulator = await openSimulator();
    const broken = () => {
      throw new Error('wrong question');
    };
    await expect(simulator.waitFor(broken)).rejects.toThrow('wrong question');
  });
});

describe('connections', () => {
  it('are counted, kept alive and reset on demand', async () => {
    const simulator = await openSimulator();
    simulator.account('a').behave({ firstByteDelayMs: 60_000 });
    const response = await chat(simulator, { stream: true });
    expect([simulator.connections, simulator.openResponses]).toEqual([1, 1]);
    const body = response.text();
    simulator.resetConnections();
    await expect(body).rejects.toThrow();
    await simulator.waitFor(() => simulator.connections === 0);
    expect(simulator.openResponses).toBe(0);
    expect(simulator.received[0]?.aborted).toBe(false);
    expect(simulator.account('a').books.broken).toBe(1);
    expect(simulator.connectionsEver).toBe(1);
    simulator.account('a').behave({ firstByteDelayMs: 0 });
    expect((await chat(simulator)).status).toBe(200);
  });

  it('are all closed with the simulator, hung answers too', async () => {
    const simulator = await startSimulator({ accounts: [{ name: 'a', keys: [KEY] }] });
    simulator.account('a').fail('hang');
    const answer = exchange(`${simulator.baseUrl}/chat/completions`);
    await simulator.waitFor((requests) => requests.length === 1);
    await simulator.close();
    expect((await answer).error).toBe('ECONNRESET');
    expect((await exchange(`${simulator.baseUrl}/models`)).error).toBe('ECONNREFUSED');
  });

  it('rejects when the port is taken', async () => {
    const simulator = await openSimulator();
    await expect(startSimulator({ accounts: [], port: simulator.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
