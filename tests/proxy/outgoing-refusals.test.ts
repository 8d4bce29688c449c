import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { CERTIFIED_HOST as HOST, writeCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { listening, startConnectProxy, startNamedUpstream, startSocksProxy } from '../support/outgoing-proxy.ts';
import { type StoredState, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

const SECRET = 'hunter2';

/** A proxy of ours whose way leads through the one named; what a client reads, and that no key is held to be at fault. */
async function told(variable: string, value: string, settings: Record<string, string> = {}): Promise<string> {
  const proxy = await startTestProxy({
    accounts: ['a', 'b'],
    autoRotate: true,
    settings: { KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`, [variable]: value, ...settings },
  });
  const answer = await proxy.chat();
  const { error } = JSON.parse(answer.text);
  expect([answer.status, error.code]).toEqual([502, 'upstream_unreachable']);
  await blamesNobody(proxy);
  expect(answer.text + (await proxy.log())).not.toContain(SECRET);
  return error.message;
}

async function blamesNobody(proxy: TestProxy, holds?: (state: StoredState) => boolean): Promise<void> {
  const state = await proxy.state(holds);
  for (const key of Object.values(state.keys)) {
    expect(key).toMatchObject({
      error_401: 0,
      error_403: 0,
      error_429: 0,
      error_5xx: 0,
      exhausted_until: null,
      blocked_until: null,
    });
  }
}

/** A CONNECT proxy that answers every time with the same. */
async function refusing(answer: string): Promise<number> {
  const server = createHttpServer();
  server.on('connect', (_, socket: Socket) => socket.on('error', () => undefined).end(answer));
  return listening(server);
}

/** A server that answers the first bytes of each connection, whatever they are, and each that follows. */
function answering(...answers: readonly (Buffer | string)[]): Promise<number> {
  return listening(
    createServer((socket) => {
      let times = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        const answer = answers[times++];
        if (answer === undefined) socket.end();
        else socket.write(answer);
      });
    }),
  );
}

describe('what an HTTP proxy answers', () => {
  const LOGIN =
    'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="corp"\r\ncontent-length: 0\r\n\r\n';
  it.each([
    [
      '407',
      LOGIN,
      '',
      / \(HTTPS_PROXY\) asks for a user name and a password \(407\)\. Write them into HTTPS_PROXY as http:\/\/user:/,
    ],
    ['407 to a login', LOGIN, `me:${SECRET}@`, / does not accept the user name and password it was given \(407\)/],
    [
      '407 for NTLM',
      'HTTP/1.1 407 No\r\nproxy-authenticate: NTLM\r\nproxy-authenticate: Negotiate\r\ncontent-length: 0\r\n\r\n',
      '',
      /It asks for NTLM, but kmi supports only Basic/,
    ],
    ['403', 'HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>', '', /refuses to connect to kimi\.test \(403\)\. Ask .* NO_PROXY\./],
    ['502', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', '', /could not connect to kimi\.test \(502\)\. Try again/],
    ['503', 'HTTP/1.0 503 Nope\r\n\r\n', `me:${SECRET}@`, /could not connect to kimi\.test \(503\)/],
    ['504', 'HTTP/1.1 504 Gateway Timeout\r\n\r\n', '', /could not connect to kimi\.test \(504\)/],
    [
      '302',
      'HTTP/1.1 302 Found\r\nlocation: http://portal/\r\n\r\n',
      '',
      /opens no connection .* answered 302\. Check the address/,
    ],
    ['405', 'HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n', '', /it answered 405\. .*may be a web server/],
    ['nothing', '', '', /closed the connection instead of connecting to kimi\.test\. Check the scheme and port in HTTPS_PROXY/],
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n', '', /does not answer like an HTTP proxy\. .*perhaps it is socks5:\/\//],
  ])('%s is said, with what to change', async (_, answer, login, words) => {
    const port = await refusing(answer);
    const text = await told('HTTPS_PROXY', `http://${login}127.0.0.1:${port}`);
    expect(text).toMatch(words);
    expect(text).toContain(`The outgoing proxy 127.0.0.1:${port} (HTTPS_PROXY)`);
  });

  it('after a silence is not waited for', async () => {
    const port = await listening(createServer((socket) => void socket.on('error', () => undefined)));
    const text = await told('https_proxy', `127.0.0.1:${port}`, { KMI_PROXY_CONNECT_TIMEOUT_SECONDS: '1' });
    expect(text).toMatch(/127\.0\.0\.1:\d+ \(https_proxy\) did not connect to kimi\.test within 1 s\./);
  });
});

describe('a SOCKS proxy', () => {
  const LOGIN = { user: 'me', password: 'right' };
  it.each([
    ['without a login', 'socks5://', /\(ALL_PROXY\) asks for a user name and a password \(SOCKS login\)/],
    ['with a wrong login', `socks5://me:${SECRET}@`, /does not accept the user name and password it was given/],
  ])('that wants one, %s, says so', async (_, form, words) => {
    const { port } = await startSocksProxy(1, LOGIN);
    expect(await told('ALL_PROXY', `${form}127.0.0.1:${port}`)).toMatch(words);
  });

  it.each([
    [1, /could not connect to kimi\.test: it failed \(SOCKS reply 1\)/],
    [2, /refuses to connect to kimi\.test: its rules do not allow it \(SOCKS reply 2\)\. Ask /],
    [3, /network unreachable/],
    [4, /host unreachable/],
    [5, /connection refused/],
    [9, /no reason known \(SOCKS reply 9\)/],
  ])('gives reply %i', async (reply, words) => {
    const port = await answering(Buffer.from([5, 0]), Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]));
    expect(await told('KMI_UPSTREAM_PROXY', `socks5://127.0.0.1:${port}`)).toMatch(words);
  });

  it.each([
    ['is an HTTP proxy', 'HTTP/1.1 400 Bad Request\r\n\r\n', /does not answer like a SOCKS5 proxy\. .*perhaps it is http:\/\//],
    ['speaks SOCKS4', Buffer.from([0, 0x5b, 0, 0, 0, 0, 0, 0]), /does not answer like a SOCKS5 proxy/],
    ['closes in the middle', Buffer.from([5]), /closed the connection|within/],
  ])('that %s', async (_, answer, words) => {
    const port = await answering(answer);
    const settings = { KMI_PROXY_CONNECT_TIMEOUT_SECONDS: '1' };
    expect(await told('KMI_UPSTREAM_PROXY', `socks5://127.0.0.1:${port}`, settings)).toMatch(words);
  });
});

describe('a proxy that is not there', () => {
  it.each(['http', 'https', 'socks5'])('for %s is named', async (scheme) => {
    const port = await freePort();
    const text = await told('HTTPS_PROXY', `${scheme}://me:${SECRET}@127.0.0.1:${port}`);
    expect(text).toMatch(
      /^The outgoing proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\) could not be reached: connection refused \(ECONNREFUSED\)\. Start it, or correct HTTPS_PROXY/,
    );
  });

  it('because its name is unknown', async () => {
    expect(await told('HTTPS_PROXY', 'proxy.invalid:3128')).toMatch(
      /^The outgoing proxy proxy\.invalid:3128 \(HTTPS_PROXY\) could not be reached: host not found/,
    );
  });

  it.each([
    ['socks4://p:1', /^HTTPS_PROXY cannot be used as the outgoing proxy: SOCKS4 is not supported\. Write it as host:port, http:/],
    [`quic://me:${SECRET}@p`, /quic:\/\/ is not supported/],
    [`me:${SECRET}@p:1,q:2`, /it is not an address of a proxy/],
  ])('because the value %s names none', async (value, words) => {
    expect(await told('HTTPS_PROXY', value)).toMatch(words);
  });
});

describe('TLS', () => {
  const https = () => {
    const { cert, key } = writeCertificate();
    return createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) });
  };

  it('to a proxy that speaks none', async () => {
    const port = await refusing('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    expect(await told('HTTPS_PROXY', `https://127.0.0.1:${port}`)).toMatch(
      /could not be reached: it does not speak TLS \(\w+\)\. Write http:\/\/ instead of https:\/\/ in HTTPS_PROXY/,
    );
  });

  it('to a proxy with a certificate that is not trusted', async () => {
    const { port } = await startConnectProxy(1, https());
    expect(await told('HTTPS_PROXY', `https://127.0.0.1:${port}`)).toMatch(
      /could not be reached: its certificate is signed by itself \(\w+\)\. Name .* NODE_EXTRA_CA_CERTS/,
    );
  });

  it('at the end of the tunnel', async () => {
    const upstream = await startNamedUpstream();
    const { port } = await startConnectProxy(upstream.port);
    expect(await told('HTTPS_PROXY', `127.0.0.1:${port}`)).toMatch(
      /^kimi\.test was reached through the outgoing proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\), but TLS failed: its certificate .*NODE_EXTRA_CA_CERTS/,
    );
    expect(upstream.requests).toEqual([]);
  });

  it.each([
    [
      'certificate',
      async () => listening(https()),
      /^127\.0\.0\.1 was reached, but TLS failed: its certificate .*NODE_EXTRA_CA_CERTS/,
    ],
    ['protocol', async () => answering('HTTP/1.1 400 Bad Request\r\n\r\n'), /TLS failed: it does not speak TLS/],
  ])('to the upstream itself fails for its %s', async (_, start, words) => {
    const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: `https://127.0.0.1:${await start()}/v1` } });
    expect(JSON.parse((await proxy.chat()).text).error.message).toMatch(words);
    await blamesNobody(proxy);
  });
});

it('a direct way that is closed is said with the host, and is no fault of the only key', async () => {
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: `http://127.0.0.1:${await freePort()}/v1` } });
  expect(JSON.parse((await proxy.chat()).text).error.message).toMatch(
    /^127\.0\.0\.1 could not be reached: connection refused \(ECONNREFUSED\)\. Check the network and KMI_UPSTREAM_BASE_URL/,
  );
  await blamesNobody(proxy);
});

it('a way that is closed for a moment is held against no key, although the next one got through', async () => {
  const upstream = await startNamedUpstream((_, response) => response.writeHead(200, { connection: 'close' }).end('{}'));
  const tunnel = createHttpServer();
  let refusals = 0;
  const { port } = await startConnectProxy(upstream.port, tunnel, () => refusals-- > 0);
  const proxy = await startBinaryProxy({
    accounts: ['a', 'b'],
    autoRotate: true,
    settings: {
      KMI_UPSTREAM_BASE_URL: `https://${HOST}/coding/v1`,
      NODE_EXTRA_CA_CERTS: upstream.ca,
      HTTPS_PROXY: `127.0.0.1:${port}`,
    },
  });
  // The accounts have been asked for: nothing else goes out beside the chat.
  await eventually(() => upstream.requests.length === 2 || undefined);
  refusals = 1;
  expect((await proxy.chat()).status).toBe(200);
  expect((await proxy.trace(1))[0]).toMatchObject({
    key_label: 'b',
    tried: [{ key_label: 'a', status: null, verdict: 'broken' }],
  });
  await blamesNobody(proxy, ({ keys }) => keys.b?.request_count === 1);
});
