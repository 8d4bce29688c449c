import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';

const user = (content: string) => ({ messages: [{ role: 'user', content }] });

describe('the trace line of a request', () => {
  it('has every field of the port reference, in order', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b'], autoRotate: true });
    await proxy.chat(user('Please say hello to the whole wide world'), { headers: { 'user-agent': 'x' } });
    const [line] = await proxy.trace(1);
    expect(Object.keys(line ?? {}).slice(0, 13)).toEqual(
      'schema_version ts request_id method endpoint status latency_ms key_label key_hash rotation_index error_code prompt_hint prompt_head'.split(
        ' ',
      ),
    );
    expect(line).toMatchObject({
      schema_version: 1,
      ts: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$/),
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      method: 'POST',
      endpoint: '/chat/completions',
      status: 200,
      key_label: 'a',
      key_hash: createHash('sha256').update(keyOf('a')).digest('hex').slice(0, 12),
      rotation_index: 1,
      error_code: null,
      prompt_hint: 'Please say hello to the whole...',
      prompt_head: 'Please',
      choice: 'round_robin',
    });
    expect(line?.latency_ms).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ['served', null, 200, null],
    ['the fault of the caller', 'token_limit', 400, 400],
    ['unpaid', 'membership_unverified', 402, 'payment_required'],
    ['quota', 'quota_5h', 403, 403],
    ['rate limited', 'rate_limited', 429, 429],
    ['broken', 'internal', 500, 500],
    ['unreachable', 'refuse', 502, 'upstream_error'],
  ] as const)('names the error (%s)', async (_, fault, status, code) => {
    const proxy = await startTestProxy();
    if (fault !== null) proxy.simulator.account('a').fail(fault);
    expect((await proxy.chat()).status).toBe(status);
    expect((await proxy.trace(1))[0]).toMatchObject({ status, error_code: code, key_label: 'a' });
  });

  it('has the place in the rotation as its own choice left it, however late the line is written', async () => {
    const proxy = await startTestProxy({
      accounts: ['a', 'b', 'c'],
      autoRotate: true,
      simulator: { behaviour: { latencyMs: 100 } },
    });
    await Promise.all([proxy.chat(), proxy.chat(), proxy.chat()]);
    const places = (await proxy.trace(3)).map(({ key_label, rotation_index }) => `${key_label}${rotation_index}`);
    expect(places.toSorted()).toEqual(['a1', 'b2', 'c0']);
  });

  it('names the keys that were tried before', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'] });
    proxy.simulator.account('a').fail('quota_5h');
    proxy.simulator.account('b').fail('internal');
    await proxy.chat();
    await proxy.chat();
    const [first, second] = await proxy.trace(2);
    expect(first).toMatchObject({
      key_label: 'c',
      status: 200,
      tried: [
        { key_label: 'a', status: 403, verdict: 'quota' },
        { key_label: 'b', status: 500, verdict: 'broken' },
      ],
    });
    expect(second).toMatchObject({ key_label: 'c' });
    expect(second?.tried).toBeUndefined();
  });

  it('is written for every path, without its query, and without a prompt for a GET', async () => {
    const proxy = await startTestProxy();
    await proxy.send('/models?secret=1', { method: 'GET' });
    const [line] = await proxy.trace(1);
    expect(line).toMatchObject({ method: 'GET', endpoint: '/models', prompt_hint: '', prompt_head: '' });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  it('is not written for a request that was refused at the door', async () => {
    const proxy = await startTestProxy({ settings: { KMI_PROXY_TOKEN: 'token' } });
    await proxy.chat();
    await proxy.chat({}, { headers: { 'x-api-key': 'token' } });
    expect(await proxy.trace(1)).toHaveLength(1);
  });

  it('holds no word of the prompt with KMI_TRACE_PROMPTS=0', async () => {
    const proxy = await startTestProxy({ settings: { KMI_TRACE_PROMPTS: '0' } });
    await proxy.chat(user('Confidential matters'));
    expect((await proxy.trace(1))[0]).toMatchObject({ prompt_hint: '', prompt_head: '' });
  });
});

describe('nothing that is kept holds a secret', () => {
  const TOKEN = 'client-token-0123456789';
  const PROMPT = 'Alpha bravo charlie delta echo foxtrot golf hotel';

  /** Everything in the state folder, as one text. */
  async function everything(stateDir: string): Promise<string> {
    const names = await readdir(stateDir, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
  }

  it('not even when the upstream echoes the key', async () => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_TOKEN: TOKEN } });
    const message = `The key ${keyOf('a')} (org-secret0001, ak-secret0001) of Bearer ${keyOf('a')} was refused`;
    proxy.simulator.account('a').fail({ status: 401, type: keyOf('a'), message });
    const headers = { 'x-api-key': TOKEN, 'x-request-secret': 'header-secret', cookie: 'c=cookie-secret' };
    expect((await proxy.chat(user(PROMPT), { headers })).status).toBe(200);
    proxy.simulator
      .account('b')
      .fail({ status: 403, type: 'x', message: `${keyOf('b')} access terminated, community guidelines` });
    const refused = await proxy.chat(user(PROMPT), { headers });
    expect(refused.text).toContain('access terminated, community guidelines');
    expect(refused.text).not.toContain(keyOf('b'));
    await proxy.trace(2);
    await proxy.kmi.stop();
    const kept = (await everything(proxy.home.stateDir)) + proxy.kmi.output();
    for (const secret of [keyOf('a'), keyOf('b'), 'secret0001', TOKEN, 'header-secret', 'cookie-secret', 'golf', 'was refused']) {
      expect(kept).not.toContain(secret);
    }
    expect(kept).toContain('Alpha bravo charlie delta echo foxtrot...');
    expect(kept).toContain('A key is blocked.');
    expect(kept).toContain('The upstream has closed this account');
  });

  it('not even when the prompt holds the key', async () => {
    const proxy = await startTestProxy();
    await proxy.chat(user(`${keyOf('a')} is my key`));
    await proxy.trace(1);
    expect(await everything(proxy.home.stateDir)).not.toContain(keyOf('a'));
  });
});

it('says what the error means that the client got, and nothing of the kind of an answer', async () => {
  const proxy = await startTestProxy();
  proxy.simulator.account('a').fail('not_coding_agent', { times: 1 });
  await proxy.chat();
  await proxy.chat();
  const [refused, served] = await proxy.trace(2);
  expect(refused).toMatchObject({ status: 403, error_code: 403, verdict: 'agents-only', key_label: 'a' });
  expect(served).not.toHaveProperty('verdict');
});
