import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sendRaw } from '../support/http-client.ts';
import { chatBody, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';

const raw = (port: number, line: string, head: readonly string[], body = '') =>
  sendRaw(port, [line, 'Host: 127.0.0.1', ...head, '', body].join('\r\n'));

describe('a try to open a WebSocket', () => {
  it.each([
    ['as Codex does', 'GET', '/responses', ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', KEY]],
    ['in capitals', 'GET', '/responses', ['connection: UPGRADE', 'UPGRADE: WebSocket', KEY]],
    ['beside keep-alive', 'GET', '/realtime?model=k3', ['Connection: keep-alive, Upgrade', 'Upgrade: websocket', KEY]],
    ['among other protocols', 'GET', '/responses', ['Connection: Upgrade', 'Upgrade: h2c, websocket']],
    ['without its key', 'GET', '/chat/completions', ['Connection: Upgrade', 'Upgrade: websocket']],
    ['with POST', 'POST', '/responses', ['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 2']],
    ['behind a proxy that drops Upgrade', 'GET', '/responses', ['Connection: close', KEY]],
    ['at a base URL with a slash too many', 'GET', '//responses', ['Connection: Upgrade', 'Upgrade: websocket', KEY]],
  ])('%s is answered 426 at once, and no key is asked for', async (_, method, path, head) => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_MAX_RPM: '1' } });
    const target = `${method} /kmi-rotor/v1${path} HTTP/1.1`;
    // The connection is cut here, not by the proxy: a client may go on with HTTP on it.
    const text = await raw(proxy.port, target, [...head, 'Connection: close'], method === 'POST' ? '{}' : '');
    expect(text).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(text).toMatch(/\r\nupgrade: HTTP\/1\.1\r\n/i);
    expect(text).toMatch(/\r\nconnection: upgrade/i);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).error).toMatchObject({ code: 'upgrade_refused' });
    expect(proxy.simulator.received).toHaveLength(0);
    // It did not use up the limit either.
    expect((await proxy.chat()).status).toBe(200);
  });

  it('on a path of Anthropic is refused in that form', async () => {
    const proxy = await startTestProxy();
    const text = await raw(proxy.port, 'GET /kmi-rotor/v1/messages HTTP/1.1', [
      'Connection: Upgrade, close',
      'Upgrade: websocket',
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 426/);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).type).toBe('error');
  });

  it('leaves the connection open for the same request over HTTP', async () => {
    const proxy = await startTestProxy();
    const upgrade = ['GET /kmi-rotor/v1/responses HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', KEY];
    const socket = connect(proxy.port, '127.0.0.1', () => socket.write([...upgrade, '', ''].join('\r\n')));
    const [refusal] = (await once(socket, 'data')) as [Buffer];
    expect(refusal.toString()).toMatch(/^HTTP\/1\.1 426/);
    const body = chatBody();
    const chat = ['POST /kmi-rotor/v1/chat/completions HTTP/1.1', 'Host: 127.0.0.1', `Content-Length: ${body.length}`];
    socket.write([...chat, '', body].join('\r\n'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
    socket.destroy();
  });

  it('the built binary refuses it too, also to a client without the token', async () => {
    const proxy = await startBinaryProxy({ settings: { KMI_PROXY_TOKEN: 'let-me-in-0123456789' } });
    const head = ['Connection: Upgrade, close', 'Upgrade: websocket', KEY];
    expect(await raw(proxy.port, 'GET /kmi-rotor/v1/responses HTTP/1.1', head)).toMatch(/^HTTP\/1\.1 426/);
    expect(proxy.calls()).toHaveLength(0);
  });
});

it.each(['h2c', 'TLS/1.0', 'websocketx', 'my-websocket'])(
  'an offer of %s is ignored: the request is served',
  async (protocol) => {
    const proxy = await startTestProxy();
    const head = [
      `Connection: Upgrade, HTTP2-Settings, close`,
      `Upgrade: ${protocol}`,
      'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
    ];
    const got = await raw(proxy.port, 'GET /kmi-rotor/v1/models HTTP/1.1', head);
    expect(got).toMatch(/^HTTP\/1\.1 200/);
    const body = chatBody();
    const posted = await raw(
      proxy.port,
      'POST /kmi-rotor/v1/chat/completions HTTP/1.1',
      [...head, `Content-Length: ${body.length}`],
      body,
    );
    expect(posted).toMatch(/^HTTP\/1\.1 200/);
    expect(proxy.calls()).toHaveLength(2);
    for (const { headers } of proxy.calls()) expect(headers).not.toHaveProperty('upgrade');
  },
);
