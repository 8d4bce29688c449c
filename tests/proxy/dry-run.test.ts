import { expect, it } from 'vitest';
import { valuesOf } from '../support/http-client.ts';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const settings = { KMI_DRY_RUN: '1', KMI_USAGE_CACHE_SECONDS: '600' };

it('in dry-run the built binary answers itself and sends nothing', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a', 'b', 'c'], autoRotate: true, settings });
  await proxy.kmi.waitForOutput(/dry-run/i);
  const labels: string[] = [];
  for (let n = 0; n < 6; n++) {
    const answer = await proxy.chat({}, { headers: { authorization: 'Bearer whatever' } });
    expect(answer.status).toBe(200);
    expect(valuesOf(answer.rawHeaders, 'x-kmi-dry-run')).toEqual(['true']);
    const body = JSON.parse(answer.text);
    expect(body).toEqual({
      dry_run: true,
      upstream_url: `${proxy.simulator.baseUrl}/chat/completions`,
      method: 'POST',
      path: '/chat/completions',
      key_label: expect.any(String),
    });
    labels.push(body.key_label);
  }
  expect(labels.join(' ')).toBe('a b c a b c');
  expect(proxy.simulator.received).toHaveLength(0);
  const lines = await proxy.trace(6);
  expect(lines[0]).toMatchObject({ status: 200, dry_run: true, key_label: 'a', prompt_hint: 'Say hello' });
  expect((await proxy.state(({ keys }) => keys.c?.request_count === 2)).rotation_index).toBe(0);
});

it('keeps the query and the method, and shows no key', async () => {
  const proxy = await startTestProxy({ settings });
  const answer = await proxy.send('/messages?beta=true', { method: 'PUT', body: 'x'.repeat(200_000) });
  expect(JSON.parse(answer.text)).toMatchObject({
    method: 'PUT',
    path: '/messages',
    upstream_url: `${proxy.simulator.baseUrl}/messages?beta=true`,
  });
  expect(answer.text + answer.rawHeaders.join()).not.toContain(keyOf('a'));
});

it('says so when no key could serve', async () => {
  const proxy = await startTestProxy({ accounts: [], settings });
  const answer = await proxy.chat();
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'no_keys']);
});

it('refuses what live mode refuses', async () => {
  const proxy = await startTestProxy({ settings: { ...settings, KMI_PROXY_TOKEN: 'token', KMI_PROXY_MAX_BODY_MB: '1' } });
  expect((await proxy.chat()).status).toBe(401);
  const headers = { 'x-api-key': 'token' };
  expect((await proxy.chat({}, { headers, body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413);
  expect((await proxy.send('/../x', { headers })).status).not.toBe(200);
});
