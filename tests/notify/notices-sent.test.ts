import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { addLogin } from '../support/logins.ts';
import { keyOf, startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { type Hook, startHook } from './hook.ts';

const SECRET_PATH = '/services/T0SECRET/B0SECRET?token=q0secret';

const posts = (hook: Hook, count: number) =>
  eventually(() => {
    expect(hook.posted).toHaveLength(count);
    return hook.posted;
  });

describe('KMI_NOTIFY with a webhook', () => {
  it('is told once that no key can serve, though a burst of requests found it out', async () => {
    const hook = await startHook();
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_NOTIFY: hook.origin + SECRET_PATH } });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail('quota_5h');
    await Promise.all(Array.from({ length: 20 }, () => proxy.chat()));
    const [{ url, headers, body }] = (await posts(hook, 1)) as [Hook['posted'][number]];
    expect([url, headers['content-type']]).toEqual([SECRET_PATH, 'application/json; charset=utf-8']);
    expect(body).toEqual({
      text: expect.stringMatching(/^Both Kimi keys have used up their quota\. The first is .*`kmi status` shows them\.$/),
      content: body.text,
      event: 'none_left',
      key_label: null,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      until: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    const log = await proxy.log('A notice was sent.');
    for (const secret of ['SECRET', 'q0secret', keyOf('a')]) expect(log + JSON.stringify(body)).not.toContain(secret);
  });

  it('is told that an account ran out, that a key is refused, and that both are back', async () => {
    const hook = await startHook();
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'], settings: { KMI_NOTIFY: hook.origin } });
    proxy.simulator.account('a').fail('quota_5h', { times: 1 });
    proxy.simulator.account('b').fail('invalid_key', { times: 1 });
    expect((await proxy.chat()).status).toBe(200);
    const first = (await posts(hook, 2)).map(({ body }) => body);
    expect(first).toMatchObject([
      {
        event: 'used_up',
        key_label: 'a',
        text: expect.stringMatching(/^a has used up its quota\. It is .* 1 of 3 keys can serve\.$/),
      },
      { event: 'key_refused', key_label: 'b', until: null, text: expect.stringContaining('Kimi refused the key b (401).') },
    ]);
    proxy.serving.pool.answeredAgain('b');
    expect((await posts(hook, 3))[2]?.body).toMatchObject({ event: 'back', key_label: 'b', text: 'b can serve again.' });
  });

  it('is told that a person must log in again', async () => {
    const hook = await startHook();
    const proxy = await startTestProxy({
      accounts: ['a', 'b'],
      settings: { KMI_NOTIFY: hook.origin },
      state: '{"schema_version":1,"active_key":"a","keys":{}}',
      writeKeys: async (home, simulator) => {
        await addLogin(home, simulator, 'a');
        await home.addKey({ label: 'b', key: keyOf('b') });
      },
    });
    proxy.simulator.oauth.revoke('a');
    expect((await proxy.chat()).status).toBe(200);
    expect((await posts(hook, 1))[0]?.body).toMatchObject({
      event: 'login_expired',
      key_label: 'a',
      text: 'The login a has expired. `kmi login --label a` logs in again.',
    });
    await addLogin(proxy.home, proxy.simulator, 'a');
    expect((await posts(hook, 2))[1]?.body).toMatchObject({ event: 'back', key_label: 'a' });
  });

  it('is asked once more when it fails, and a hook that goes on failing is named by its host only', async () => {
    const hook = await startHook([500, 0]);
    const proxy = await startTestProxy({ settings: { KMI_NOTIFY: hook.origin + SECRET_PATH } });
    proxy.simulator.account('a').fail('invalid_key');
    await proxy.chat();
    await posts(hook, 2);
    const log = await proxy.log('A notice could not be sent.');
    expect(log).toContain(`"to":"${hook.origin}"`);
    for (const secret of ['SECRET', 'q0secret']) expect(log).not.toContain(secret);
    expect((await proxy.chat()).status).not.toBe(502);
  });

  it('is not asked again after it refused', async () => {
    const hook = await startHook([404]);
    const proxy = await startTestProxy({ settings: { KMI_NOTIFY: hook.origin } });
    proxy.simulator.account('a').fail('invalid_key');
    await proxy.chat();
    expect(await proxy.log('A notice could not be sent.')).toContain('HTTP 404');
    expect(hook.posted).toHaveLength(1);
  });
});

describe('KMI_NOTIFY=desktop', { skip: process.platform !== 'linux' }, () => {
  it('shows a notice with notify-send', async () => {
    const home = await temporaryHome();
    const bin = join(home.root, 'bin');
    const told = join(home.root, 'told');
    await mkdir(bin);
    const program = `#!/bin/sh\nfor each in "$@"; do printf '%s\\n' "$each"; done > ${told}.part\nenv | grep -c KMI_ >> ${told}.part\nmv ${told}.part ${told}\n`;
    await writeFile(join(bin, 'notify-send'), program);
    await chmod(join(bin, 'notify-send'), 0o755);
    const proxy = await startBinaryProxy({
      home,
      accounts: ['a', 'b'],
      settings: { KMI_NOTIFY: 'desktop', PATH: `${bin}:${process.env.PATH}`, KMI_PROXY_TOKEN: 'the-token' },
    });
    proxy.simulator.account('a').fail('invalid_key');
    await proxy.chat({}, { headers: { 'x-api-key': 'the-token' } });
    const text = await eventually(() => readFile(told, 'utf8'));
    expect(text.split('\n')).toEqual([
      '--app-name=kmi',
      '--',
      'kmi',
      'Kimi refused the key a (401). Replace it, then run `kmi doctor --recheck-keys`.',
      '0',
      '',
    ]);
  });

  it('says once in the log that the program is missing, and nothing else happens', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c'], settings: { KMI_NOTIFY: 'desktop', PATH: '/nonexistent' } });
    proxy.simulator.account('a').fail('invalid_key', { times: 1 });
    proxy.simulator.account('b').fail('quota_5h', { times: 1 });
    expect((await proxy.chat()).status).toBe(200);
    await proxy.log('notify-send is not installed');
    proxy.serving.pool.answeredAgain('a');
    await proxy.state(({ keys }) => keys.a?.blocked_reason == null);
    const log = await proxy.log();
    expect(log.match(/notify-send is not installed/g)).toHaveLength(1);
  });
});

it('of a key that comes back by itself a live proxy tells, one in dry-run does not', async () => {
  const [silent, told] = [await startHook(), await startHook()];
  const start = (dryRun: string, hook: Hook) => {
    const until = new Date(Date.now() + 1_500).toISOString();
    const state = `{"schema_version":1,"keys":{"a":{"exhausted_until":"${until}","exhausted_reason":"quota"}}}`;
    return startTestProxy({ accounts: ['a', 'b'], state, settings: { KMI_NOTIFY: hook.origin, KMI_DRY_RUN: dryRun } });
  };
  await start('1', silent);
  await start('0', told);
  expect((await posts(told, 1))[0]?.body).toMatchObject({ event: 'back', key_label: 'a' });
  expect(silent.posted).toHaveLength(0);
});
