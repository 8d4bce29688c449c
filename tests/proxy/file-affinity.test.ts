import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { accountsAsked, startAccountProxy, startSecondProxy } from '../support/accounts.ts';
import { eventually } from '../support/eventually.ts';
import type { InProcessProxy } from '../support/proxy.ts';

const THREE = ['A', 'B', 'C'].map((name) => ({ name }));

async function upload(proxy: InProcessProxy, headers: Record<string, string> = {}): Promise<{ id: string; account: string }> {
  const body = '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nvideo\r\n--x--\r\n';
  const answer = await proxy.send('/files', {
    headers: { 'content-type': 'multipart/form-data; boundary=x', ...headers },
    body,
  });
  const text = answer.text.startsWith('{') ? answer.text : gunzipSync(answer.body).toString();
  return { id: JSON.parse(text).id, account: accountsAsked(proxy).at(-1) as string };
}

const ask = (proxy: InProcessProxy, id: string, padding = '') =>
  proxy.chat({
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: padding },
          { type: 'video_url', video_url: { url: `ms://${id}` } },
        ],
      },
    ],
  });

describe.each(['round-robin', 'sticky', 'quota', 'weighted'])('with %s, an uploaded file', (strategy) => {
  it('is asked about where it is, and only such requests are bound', async () => {
    const proxy = await startAccountProxy({ accounts: THREE, strategy });
    const first = await upload(proxy);
    const second = await upload(proxy, { 'accept-encoding': 'gzip' });
    expect(second.account).not.toBe(first.account);
    const from = proxy.calls().length;
    for (let n = 0; n < 3; n++) {
      expect((await ask(proxy, first.id, `${n}`)).status).toBe(200);
      // A large body streams; it is awaited to look for the file.
      expect((await ask(proxy, second.id, 'x'.repeat(100_000 + n))).status).toBe(200);
    }
    expect(accountsAsked(proxy, from)).toEqual([...Array(3)].flatMap(() => [first.account, second.account]));
    expect((await proxy.trace(from + 6)).slice(from).map(({ choice }) => choice)).toEqual(Array(6).fill('file'));
    const plain = proxy.calls().length;
    for (let n = 0; n < 9; n++) await proxy.chat({ messages: [{ role: 'user', content: `nothing about ms://unknown-${n}` }] });
    expect(new Set(accountsAsked(proxy, plain)).size).toBeGreaterThan(1);
  });

  it('is fetched and deleted where it is', async () => {
    const proxy = await startAccountProxy({ accounts: THREE, strategy });
    const { id, account } = await upload(proxy);
    const from = proxy.calls().length;
    for (const [method, path] of [
      ['GET', `/files/${id}`],
      ['GET', `/files/${id}/content`],
      ['DELETE', `/files/${id}`],
      ['GET', `/files/${id}`],
    ] as const)
      await proxy.send(path, { method });
    expect(accountsAsked(proxy, from)).toEqual(Array(4).fill(account));
  });
});

const user = (...content: object[]) => [{ role: 'user', content }];

describe.each(['round-robin', 'sticky', 'quota', null])('with %s, a file named as another protocol does', (strategy) => {
  it.each<[string, string, (id: string) => object]>([
    ['Responses', '/responses', (id) => ({ input: user({ type: 'input_file', file_id: id }) })],
    ['Responses with an image', '/responses', (id) => ({ input: user({ type: 'input_image', file_id: id }) })],
    ['chat completions', '/chat/completions', (id) => ({ messages: user({ type: 'file', file: { file_id: id } }) })],
    ['Anthropic', '/messages', (id) => ({ messages: user({ type: 'document', source: { type: 'file', file_id: id } }) })],
    [
      'Kimi, slashes escaped',
      '/chat/completions',
      (id) => ({ messages: user({ type: 'video_url', video_url: { url: `ms://${id}` } }) }),
    ],
  ])('in %s is asked about where it is', async (_, path, bodyFor) => {
    const proxy = await startAccountProxy({ accounts: THREE, strategy });
    const uploads = [await upload(proxy), await upload(proxy)];
    const from = proxy.calls().length;
    for (const { id } of [...uploads, ...uploads]) {
      const body = JSON.stringify({ model: 'k3', ...bodyFor(id) }).replaceAll('/', '\\/');
      await proxy.send(path, { headers: { 'content-type': 'application/json' }, body });
    }
    const asked = uploads.map(({ account }) => account);
    expect(accountsAsked(proxy, from)).toEqual([...asked, ...asked]);
  });
});

it('in manual mode a file is asked about where it is after another key became the active one, which stays so', async () => {
  const first = await startAccountProxy({ accounts: THREE, strategy: null });
  const { id, account } = await upload(first);
  expect(account).toBe('A');
  await first.serving.stop();
  const state = '{"schema_version":1,"auto_rotate":false,"active_key":"B","active_index":1,"keys":{}}';
  const proxy = await startSecondProxy(first, { home: first.home, writeKeys: async () => undefined, state });
  await eventually(() => proxy.serving.pool.entries.every((entry) => entry.state.account !== null) || undefined);
  const from = first.calls().length;
  for (let n = 0; n < 2; n++) {
    expect((await ask(proxy, id)).status).toBe(200);
    await proxy.chat();
  }
  expect(accountsAsked(first, from)).toEqual(['A', 'B', 'A', 'B']);
  expect((await proxy.state()).active_key).toBe('B');
});

it('a list of files is asked of the account that got the latest upload, and goes on where its cursor is', async () => {
  const proxy = await startAccountProxy({ accounts: THREE });
  const first = await upload(proxy);
  const second = await upload(proxy);
  const from = proxy.calls().length;
  for (const query of ['', '?limit=20', `?after=${first.id}`]) await proxy.send(`/files${query}`, { method: 'GET' });
  expect(accountsAsked(proxy, from)).toEqual([second.account, second.account, first.account]);
});

describe('an uploaded file', () => {
  it('is known after a restart', async () => {
    const proxy = await startAccountProxy({ accounts: THREE });
    const { id, account } = await upload(proxy);
    await proxy.serving.stop();
    const again = await startSecondProxy(proxy, { home: proxy.home, writeKeys: async () => undefined });
    const from = proxy.calls().length;
    for (let n = 0; n < 3; n++) await ask(again, id);
    expect(accountsAsked(proxy, from)).toEqual(Array(3).fill(account));
  });

  it('whose account is used up is not asked for elsewhere, and does not hold up others', async () => {
    const proxy = await startAccountProxy({ accounts: THREE, settings: { KMI_PROXY_WAIT_SECONDS: '2' } });
    const { id, account } = await upload(proxy);
    proxy.simulator.account(account).fail('quota_weekly');
    expect((await ask(proxy, id)).status).toBe(403);
    const from = proxy.calls().length;
    const waiting = ask(proxy, id);
    const others = await Promise.all(Array.from({ length: 4 }, () => proxy.chat()));
    expect(others.map(({ status }) => status)).toEqual(Array(4).fill(200));
    expect((await waiting).status).toBe(503);
    expect(accountsAsked(proxy, from)).toHaveLength(4);
    expect(accountsAsked(proxy, from)).not.toContain(account);
  });

  it('with an odd name or none is no file', async () => {
    const proxy = await startAccountProxy({ accounts: THREE });
    const { files } = proxy.serving.pool.affinityStore;
    for (const body of ['{"id":"a/../b"}', '{"id":7}', 'text', '{}', JSON.stringify({ id: 'x'.repeat(200_000) })]) {
      for (const { name } of THREE)
        proxy.simulator
          .account(name)
          .heal()
          .respondWith({ chunks: [body] }, { on: ['files'] });
      expect((await proxy.send('/files', { body: '' })).text).toBe(body);
    }
    expect(files.size).toBe(0);
    const packed = gzipSync('{"id":"file-1"}');
    for (const { name } of THREE)
      proxy.simulator
        .account(name)
        .heal()
        .respondWith({ headers: ['content-encoding', 'gzip'], chunks: [packed] }, { on: ['files'] });
    expect((await proxy.send('/files', { body: '' })).body).toEqual(packed);
    expect([...files.entries()].map(([id]) => id)).toEqual(['file-1']);
  });
});
