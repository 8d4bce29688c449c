import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readMisspelt } from '../../src/proxy/http/misspelt-target.ts';
import { send, sendRaw } from '../support/http-client.ts';
import { chatBody, type InProcessProxy, startTestProxy } from '../support/proxy.ts';

let proxy: InProcessProxy;
beforeAll(async () => {
  proxy = await startTestProxy();
});

const at = (path: string) => `http://127.0.0.1:${proxy.port}${path}`;

describe('a base URL written wrong that can mean one thing only is served', () => {
  it.each([
    ['/kmi-rotor/v1//chat/completions', '/chat/completions'],
    ['/kmi-rotor/v1///chat//completions', '/chat/completions'],
    ['//kmi-rotor/v1/chat/completions', '/chat/completions'],
    ['/kmi-rotor//v1/chat/completions', '/chat/completions'],
    ['/kmi-rotor/v1/v1/chat/completions', '/chat/completions'],
    ['/kmi-rotor/v1//v1//messages', '/messages'],
    ['/kmi-rotor/v1/v1/v1/messages', '/messages'],
    ['/kmi-rotor//v1/messages?beta=true', '/messages?beta=true'],
    ['/kmi-rotor/chat/completions', '/chat/completions'],
    ['/kmi-rotor//messages/count_tokens', '/messages/count_tokens'],
    ['/kmi-rotor/v1/kmi-rotor/v1/chat/completions', '/chat/completions'],
    ['/kmi-rotor/v1/chat/completions/chat/completions', '/chat/completions'],
    ['/kmi-rotor/v1/messages/v1/messages', '/messages'],
    ['/kmi-rotor/v1/chat/completions/', '/chat/completions'],
  ])('%s', async (path, upstream) => {
    const before = proxy.calls().length;
    expect((await send(at(path), { body: chatBody() })).status).toBe(200);
    expect(proxy.calls().at(-1)?.url).toBe(`/coding/v1${upstream}`);
    expect(proxy.calls()).toHaveLength(before + 1);
  });

  it('below a base path that does not end in /v1, no /v1 is taken for one too many', () => {
    expect(readMisspelt('/proxy//chat/completions', '/proxy')?.endpoint).toBe('/chat/completions');
    expect(readMisspelt('/proxy/v1/chat/completions', '/proxy')).toBeNull();
  });

  it('the id of a file stays as it is', () => {
    expect(readMisspelt('/kmi-rotor/v1//files/file-1.mp4/content?a=%2F', '/kmi-rotor/v1')).toEqual({
      endpoint: '/files/file-1.mp4/content',
      query: '?a=%2F',
    });
  });
});

describe('what cannot be served names the right base URL', () => {
  it.each([
    ['/v1/chat/completions', 404, '/kmi-rotor/v1'],
    ['/chat/completions', 404, '/kmi-rotor/v1'],
    ['/coding/v1/chat/completions', 404, '/kmi-rotor/v1'],
    ['/', 404, '/kmi-rotor/v1'],
    ['/kmi-rotor/v1//no/such/thing', 400, '/kmi-rotor/v1'],
    ['/v1/messages?beta=true', 404, '/kmi-rotor'],
    ['/kmi-rotor/v1/x//messages', 400, '/kmi-rotor'],
  ])('%s', async (path, status, base) => {
    const before = proxy.calls().length;
    const answer = await send(at(path), { body: '{}' });
    expect(answer.status).toBe(status);
    const { error, type } = JSON.parse(answer.text);
    expect(error.message).toContain(`Set the client's base URL to ${at(base)}, without a slash at its end.`);
    // In the form the client of that path reads.
    expect(type).toBe(path.includes('messages') ? 'error' : undefined);
    expect(proxy.calls()).toHaveLength(before);
  });

  it('by the name the client called it by', async () => {
    const own = await startTestProxy({ settings: { KMI_PROXY_ALLOWED_HOSTS: 'kmi.lan', KMI_PROXY_TLS_TERMINATED: '1' } });
    const text = await sendRaw(own.port, 'GET /v1/models HTTP/1.1\r\nhost: kmi.lan\r\nconnection: close\r\n\r\n');
    expect(text).toContain('https://kmi.lan/kmi-rotor/v1');
  });

  it('a doubled slash is called by its name', async () => {
    const answer = await send(at('/kmi-rotor/v1/no//such'), { method: 'GET' });
    expect(JSON.parse(answer.text).error.message).toMatch(/slash too many/);
    const other = await send(at('/kmi-rotor/v1/..%2f//such'), { method: 'GET' });
    expect(JSON.parse(other.text).error.message).toMatch(/not plain/);
  });
});

it('whatever it is, it is read as an endpoint or not at all', () => {
  const piece = fc.constantFrom(
    '/',
    '//',
    '..',
    '.',
    '%2e',
    '%2f',
    '\\',
    ';',
    '@evil.example',
    'v1',
    'kmi-rotor',
    'chat/completions',
    'messages',
    'files',
    'a.b',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (parts) => {
      const target = readMisspelt(`/kmi-rotor/v1/${parts.join('')}`, '/kmi-rotor/v1');
      if (target !== null) expect(target.endpoint).toMatch(/^(?:\/[\w-]+(?:\.[\w-]+)*)+$/);
    }),
    { numRuns: 2000 },
  );
});
