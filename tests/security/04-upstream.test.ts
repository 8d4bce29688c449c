import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeCertificate } from '../support/certificate.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { sendRaw } from '../support/http-client.ts';
import { allowNodeWarning } from '../support/node-warnings.ts';
import { type BinaryProxy, startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';
import { rawRequest, statusOf } from './raw.ts';

const BASE = '/kmi-rotor/v1';
const HOST = 'host: 127.0.0.1';

let proxy: BinaryProxy;
beforeAll(async () => {
  proxy = await startBinaryProxy();
});

/** What leads out of the base on some server, in as many spellings. */
const PIECES = [
  ...[
    '..',
    '.',
    '%2e',
    '%2E%2e',
    '.%2e',
    '%252e%252e',
    '%c0%ae%c0%ae',
    '%e0%80%ae',
    '\u2025',
    '%E2%80%A5',
    '\uff0e\uff0e',
    '%uff0e',
  ],
  ...['/', '//', '%2f', '%2F', '%252f', '%c0%af', '\\', '%5c', '%255c', '\u2215', ';', ';x=1', '%3b'],
  ...['@', '%40', '@evil.example', ':80', 'evil.example', 'http://evil.example', '//evil.example', '%2f%2fevil.example', '://'],
  ...['?', '??', '#', '%23', '%3f', '%00', '%0d%0a', '%0D%0AHost:%20evil.example', '%20', '\t', ' HTTP/1.1', 'a', 'models'],
];

describe('a path or query', () => {
  it('however written, reaches the upstream below its base path or not at all', async () => {
    const hostile = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 7 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(hostile, async (rest) => {
        const before = proxy.calls().length;
        const line = Buffer.from(`GET ${BASE}/${rest} HTTP/1.1\r\n${HOST}\r\nconnection: close\r\n\r\n`, 'utf8');
        const status = statusOf(await sendRaw(proxy.port, line));
        expect(status).toBeGreaterThanOrEqual(0);
        for (const { url, headers } of proxy.calls().slice(before)) {
          expect(url.startsWith('/coding/v1/')).toBe(true);
          expect(headers.host).toBe(`127.0.0.1:${proxy.simulator.port}`);
          let path = url.split('?', 1)[0] as string;
          for (let times = 0; times < 4; times++) {
            const resolved = new URL(path.replaceAll('?', '%3f').replaceAll('#', '%23'), 'http://upstream.example');
            expect([resolved.origin, resolved.pathname.startsWith('/coding/v1/')]).toEqual(['http://upstream.example', true]);
            try {
              path = decodeURIComponent(path);
            } catch {
              break;
            }
          }
        }
      }),
      { numRuns: 300, examples: [['..%20'], ['%2520..%20/a'], ['.%20;x=1/..']] },
    );
  });
});

describe('headers and bodies', () => {
  it.each([
    [
      'a Host of somebody else',
      ['x-forwarded-host: evil.example', 'x-original-url: /admin', 'x-rewrite-url: /admin', 'forwarded: host=evil.example'],
    ],
    ['Connection naming what we add', ['connection: authorization, host, content-length']],
    [
      'a credential in every place',
      [
        'authorization: Bearer own',
        'x-api-key: own',
        'proxy-authorization: Basic own',
        'cookie: own=own',
        'x-kmi-proxy-token: own',
      ],
    ],
    ['a second Authorization', ['authorization: Bearer own', 'Authorization: Bearer own']],
    ['an upgrade', ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAoAAAAAIAAAAA']],
    ['a body that names another upstream', []],
  ])('%s changes neither the upstream nor the key', async (_, head) => {
    const before = proxy.calls().length;
    const body =
      '{"model":"kimi-for-coding","base_url":"https://evil.example","url":"//evil.example","messages":[{"role":"user","content":"x"}]}';
    const lines = [HOST, 'content-type: application/json', `content-length: ${body.length}`, ...head];
    const text = await rawRequest(proxy.port, `POST ${BASE}/chat/completions`, lines, body);
    expect(statusOf(text)).toBe(200);
    const [call] = proxy.calls().slice(before);
    expect(call?.account).toBe('a');
    expect(call?.headers).toMatchObject({ host: `127.0.0.1:${proxy.simulator.port}`, 'content-length': String(body.length) });
    expect(call?.body.toString()).toBe(body);
    expect(call?.rawHeaders.join('\n')).not.toContain('own');
    expect(call?.headers.upgrade).toBeUndefined();
  });

  it.each([
    ['a line break in a value', 'x-a: b\nx-injected: 1'],
    ['a bare carriage return in a value', 'x-a: b\rx-injected: 1'],
    ['a NUL in a value', 'x-a: b\0c'],
    ['a pseudo header', ':authority: evil.example'],
    ['a blank in a name', 'x a: b'],
    ['a blank before the colon', 'content-length : 5'],
    ['an empty name', ': b'],
  ])('%s adds no header upstream', async (_, header) => {
    const before = proxy.calls().length;
    await rawRequest(proxy.port, `GET ${BASE}/models`, [HOST, header]);
    for (const { headers } of proxy.calls().slice(before)) {
      expect(headers['x-injected']).toBeUndefined();
      expect(Object.keys(headers).join()).not.toMatch(/authority|x a/);
    }
  });

  it('TRACE, which sends back what arrived, key and all, is not forwarded', async () => {
    const before = proxy.calls().length;
    expect(statusOf(await rawRequest(proxy.port, `TRACE ${BASE}/models`, [HOST]))).toBe(405);
    expect(proxy.calls()).toHaveLength(before);
  });
});

it.each([301, 302, 303, 307, 308])(
  'a redirect with %i goes to the client as it is, and the key goes nowhere else',
  async (status) => {
    const calls = proxy.calls().length;
    const elsewhere: string[] = [];
    const stranger = createTcp((socket) => {
      socket.on('data', (chunk) => elsewhere.push(chunk.toString('latin1'))).on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    cleanUp(async () => void stranger.close());
    const location = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/coding/v1/models`;
    proxy.simulator
      .account('a')
      .respondWith({ status, headers: ['location', location, 'refresh', `0; url=${location}`], chunks: ['moved'] }, { times: 1 });
    const answer = await proxy.chat();
    expect([answer.status, answer.text]).toEqual([status, 'moved']);
    expect(answer.rawHeaders).toContain(location);
    expect(elsewhere).toEqual([]);
    expect(proxy.calls()).toHaveLength(calls + 1);
  },
);

describe('the certificate of the upstream', () => {
  const start = async () => {
    const { cert, key } = writeCertificate();
    const heard: string[] = [];
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      // The background asks of its own accord which account a key is of.
      if (request.url?.endsWith('/me') !== true) heard.push(`${request.headers.authorization}`);
      response.setHeader('content-type', 'application/json').end('{"object":"list","data":[]}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUp(async () => {
      server.closeAllConnections();
      server.close();
    });
    return { cert, heard, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/coding/v1` };
  };

  allowNodeWarning(/NODE_TLS_REJECT_UNAUTHORIZED/);

  it('is verified, also when NODE_TLS_REJECT_UNAUTHORIZED=0 says otherwise, in the proxy and in every command', async () => {
    const { heard, url } = await start();
    const settings = { KMI_UPSTREAM_BASE_URL: url, NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const own = await startBinaryProxy({ settings });
    expect((await own.send('/models', { method: 'GET' })).status).toBe(502);
    const env = { ...own.home.env, ...settings, KMI_DRY_RUN: '0' };
    const results = await Promise.all(
      [['health'], ['keys', 'test'], ['doctor', '--recheck-keys'], ['rotate']].map((args) =>
        runKmi(args, { env, cwd: own.home.root }),
      ),
    );
    expect(results[1]?.code).toBe(1);
    expect(heard.filter((one) => one !== 'undefined')).toEqual([]);
  });

  it('is accepted when a person has said so for this authority', async () => {
    const { cert, heard, url } = await start();
    const own = await startBinaryProxy({ settings: { KMI_UPSTREAM_BASE_URL: url, NODE_EXTRA_CA_CERTS: cert } });
    expect((await own.send('/models', { method: 'GET' })).status).toBe(200);
    expect(heard).toHaveLength(1);
  });
});

describe('base URLs', () => {
  it.each([
    'http://evil.example/v1',
    'http://127.0.0.1.evil.example/v1',
    'http://localhost.evil.example/v1',
    'https://user:password@api.kimi.com/v1',
    'https://api.kimi.com/v1?x=1',
    'https://api.kimi.com/v1#x',
    'ftp://api.kimi.com/v1',
    'file:///etc/passwd',
    'javascript:alert(1)',
    '//evil.example/v1',
    'https://',
    'https://evil.example/v1',
    'https://api.kimi.com.evil.example/v1',
    'https://evil.example\\@api.kimi.com/v1',
    'https://evilkimi.com/v1',
  ])('%j of a key is refused under an allowlist, and its key goes nowhere', async (baseUrl) => {
    const home = await homeWith(baseUrl);
    const { stdout } = await runKmi(['keys', 'list', '--json'], {
      env: { ...home.env, KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com,*.kimi.com' },
      cwd: home.root,
    });
    const { keys, skipped_auth_files: skipped } = JSON.parse(stdout);
    expect(keys).toEqual([]);
    expect(skipped[0].reason).toBe('bad_url');
  });

  it('of the settings are refused in the same way, without their password', async () => {
    const home = await temporaryHome();
    for (const url of [
      'https://user:pass/word@api.kimi.com/v1',
      'http://evil.example/x:pass/word@y',
      'https://evil.example/v1',
    ]) {
      const { code, stderr } = await runKmi(['status'], {
        env: { ...home.env, KMI_UPSTREAM_BASE_URL: url, KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com' },
        cwd: home.root,
      });
      expect(code).toBe(2);
      expect(stderr).toContain('KMI_UPSTREAM_BASE_URL');
      expect(stderr).not.toContain('word');
    }
  });

  it('of KMI_UPSTREAM_PROXY never show their credentials, whether they are good or not', async () => {
    const home = await homeWith('https://api.kimi.com/coding/v1');
    const closed = 'http://user:s3cr3t-word@127.0.0.1:9';
    const variables = { KMI_UPSTREAM_PROXY: closed, HTTPS_PROXY: closed, KMI_DRY_RUN: '0' };
    const bad = { KMI_UPSTREAM_PROXY: 'gopher://user:s3cr3t-word@127.0.0.1:9' };
    for (const args of [['config'], ['config', '--json'], ['status'], ['health'], ['keys', 'test'], ['doctor'], ['rotate']]) {
      for (const extra of [variables, bad]) {
        if (extra === bad && args[0] !== 'config') continue;
        const { stdout, stderr } = await runKmi(args, { env: { ...home.env, ...extra }, cwd: home.root });
        expect(stdout + stderr).not.toContain('s3cr3t');
        expect(stdout + stderr).not.toContain(Buffer.from('user:s3cr3t-word').toString('base64'));
      }
    }
  });
});

async function homeWith(baseUrl: string): Promise<TemporaryHome> {
  const home = await temporaryHome();
  await writeFile(
    join(home.authsDir, 'a.json'),
    JSON.stringify({ providers: { x: { api_key: 'sk-kimi-a-0123456789', base_url: baseUrl } } }),
    { mode: 0o600 },
  );
  return home;
}
