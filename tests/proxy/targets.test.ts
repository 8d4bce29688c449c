import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAnthropic, parseTarget } from '../../src/proxy/http/target.ts';
import { eventually } from '../support/eventually.ts';
import { sendRaw } from '../support/http-client.ts';
import { keyOf, startTestProxy } from '../support/proxy.ts';

const BASE = '/kmi-rotor/v1';

/** Paths that some server on the way might read as leading out of the upstream's base. */
const ESCAPES = [
  '/../admin',
  '/..',
  '/./models',
  '/models/..',
  '/a/../../admin',
  '/%2e%2e/admin',
  '/.%2E/admin',
  '/%2e/admin',
  '/%252e%252e/admin',
  '/%25252e%25252e/admin',
  '/..%2fadmin',
  '/%2f%2fevil.example',
  '/%5c..%5cadmin',
  '/..\\admin',
  '\\..\\admin',
  '/..;/admin',
  '/.;x=1/admin',
  '//evil.example/models',
  '/models//x',
  '/models#frag',
  '/models%00',
  '/models%2500',
];

describe('a target', () => {
  it.each([
    ['/chat/completions', '/chat/completions', ''],
    ['/messages?beta=true', '/messages', '?beta=true'],
    ['/messages/count_tokens', '/messages/count_tokens', ''],
    ['', '/', ''],
    ['/', '/', ''],
    ['?a=1', '/', '?a=1'],
    ['/v1/messages', '/messages', ''],
    ['/v1', '/', ''],
    ['/v1x/messages', '/v1x/messages', ''],
    ['/v1/v1/messages', '/v1/messages', ''],
    ['/files/a.b..c', '/files/a.b..c', ''],
    ['/files/.hidden', '/files/.hidden', ''],
    ['/files/...', '/files/...', ''],
    ['/files/%E4%BD%A0', '/files/%E4%BD%A0', ''],
    ['/x?q=/../..//%2e%2e\\&u=https://evil.example', '/x', '?q=/../..//%2e%2e\\&u=https://evil.example'],
    ['/x?', '/x', '?'],
    ['/x?a?b', '/x', '?a?b'],
  ])('%j is read as %j', (rest, endpoint, query) => {
    expect(parseTarget(BASE + rest, BASE)).toEqual({ endpoint, query });
  });

  it('keeps a doubled /v1 below a base path that does not end in it', () => {
    expect(parseTarget('/proxy/v1/messages', '/proxy')).toEqual({ endpoint: '/v1/messages', query: '' });
  });

  it.each([
    '/',
    '/kmi-rotor',
    '/kmi-rotor/v1x',
    '/kmi-rotor/v10/models',
    '/KMI-ROTOR/v1/models',
    'http://127.0.0.1/kmi-rotor/v1/models',
    '*',
    '',
  ])('%j lies outside', (url) => expect(parseTarget(url, BASE)).toBeNull());

  it.each([...ESCAPES.filter((rest) => rest.startsWith('/')), '/a b', '/é', '/x?a#b', '/x?é', '/x?a b', '/x\t'])(
    '%j is refused',
    (rest) => {
      expect(() => parseTarget(BASE + rest, BASE)).toThrow(expect.objectContaining({ code: 'bad_path' }));
    },
  );

  it('never leads out of the base, whatever it is', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '%2e',
      '%252E',
      '/',
      '//',
      '%2f',
      '\\',
      '%5C',
      ';',
      'v1',
      'a',
      '%00',
      '@evil.example',
      ':',
      '%',
      '?',
      '#',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
          fc.string({ maxLength: 40 }),
        ),
        (rest) => {
          let target: ReturnType<typeof parseTarget>;
          try {
            target = parseTarget(BASE + rest, BASE);
          } catch (error) {
            expect(error).toMatchObject({ code: 'bad_path' });
            return;
          }
          if (target === null) return;
          const upstream = 'https://api.kimi.com/coding/v1';
          let url = new URL(`${upstream}${target.endpoint}${target.query}`);
          // However often the upstream's side decodes it.
          for (let times = 0; times < 3; times++) {
            expect(url.origin).toBe('https://api.kimi.com');
            expect(url.pathname === '/coding/v1' || url.pathname.startsWith('/coding/v1/')).toBe(true);
            let decoded: string;
            try {
              decoded = decodeURIComponent(url.pathname);
            } catch {
              return;
            }
            url = new URL(`https://api.kimi.com${decoded.replaceAll('?', '%3F').replaceAll('#', '%23')}`);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('speaks the protocol of Anthropic on /messages and below', () => {
    expect(['/messages', '/messages/count_tokens', '/messagesx', '/chat/completions', '/'].map(isAnthropic)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('through the proxy', () => {
  it.each(ESCAPES)('%j is answered with 400 and goes nowhere', async (rest) => {
    const proxy = await startTestProxy();
    const text = await sendRaw(proxy.port, `GET ${BASE}${rest} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d/);
    expect(proxy.simulator.received).toHaveLength(0);
  });

  it.each([
    ['http://127.0.0.1:1/kmi-rotor/v1/models', 404],
    ['https://evil.example/kmi-rotor/v1/models', 404],
    ['*', 404],
    ['/', 404],
    ['/favicon.ico', 404],
    ['/coding/v1/models', 404],
    ['/kmi-rotor', 404],
    ['/kmi-rotor/v1x', 404],
    ['/%', 400],
  ])('%j is %i', async (url, status) => {
    const proxy = await startTestProxy();
    const text = await sendRaw(proxy.port, `GET ${url} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
    expect(proxy.simulator.received).toHaveLength(0);
  });

  it.each([
    ['application/json', '{"broken'],
    ['text/plain', 'x'],
    ['application/x-unknown', 'x'],
    ['application/json', `"${'x'.repeat(2_000_000)}"`],
  ])('outside the base path a POST of %s is a plain 404 as well', async (contentType, body) => {
    const proxy = await startTestProxy();
    const answer = await proxy.send('x/chat', { headers: { 'content-type': contentType }, body });
    expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([404, 'not_found']);
  });

  it('the query arrives as it is', async () => {
    const proxy = await startTestProxy();
    const query = '?beta=true&b=%20%2F+é'.replace('é', '%C3%A9&a=1&a=2&empty=&x');
    await proxy.send(`/messages${query}`, { body: '{}' });
    await proxy.send(`/v1/messages${query}`, { body: '{}' });
    expect(proxy.calls().map(({ url }) => url)).toEqual([`/coding/v1/messages${query}`, `/coding/v1/messages${query}`]);
  });

  it('each key goes to its own base URL', async () => {
    const proxy = await startTestProxy({ accounts: ['a'], autoRotate: true });
    const other = await startTestProxy({ accounts: ['b'], simulator: { basePath: '/other/base' } });
    await proxy.home.addKey({ label: 'b', key: keyOf('b'), baseUrl: other.simulator.baseUrl });
    await eventually(async () => {
      await proxy.chat();
      return other.calls()[0];
    });
    expect(other.calls()[0]).toMatchObject({ path: '/other/base/chat/completions', account: 'b' });
    expect(new Set(proxy.served().split(' '))).toEqual(new Set(['a']));
  });
});
