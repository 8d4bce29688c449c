import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startHook } from '../notify/hook.ts';
import { readEverything } from '../security/read-everything.ts';
import { temporaryHome } from '../support/home.ts';
import { startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const SECRET = '/services/T0SECRET/x0secret';

async function run(args: readonly string[], settings: Record<string, string>) {
  const home = await temporaryHome();
  await home.addKey({ label: 'a' });
  return runKmi(args, { env: { ...home.env, ...settings }, cwd: home.root });
}

it('notify-test sends a notice to the webhook and says where it went, without the secret', async () => {
  const hook = await startHook();
  const { stdout, stderr, code } = await run(['notify-test'], { KMI_NOTIFY: hook.origin + SECRET });
  expect([stdout, stderr, code]).toEqual([`A test notice was sent to ${hook.origin}.\n`, '', 0]);
  expect(hook.posted).toMatchObject([
    { url: SECRET, body: { event: 'test', text: 'This is a test notice of kmi.', key_label: null } },
  ]);
});

it('notify-test says why a notice did not arrive, and what to set when none is wanted', async () => {
  const hook = await startHook([403]);
  const refused = await run(['notify-test'], { KMI_NOTIFY: hook.origin + SECRET });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`did not reach ${hook.origin}: HTTP 403.`)]);
  expect(refused.stderr).not.toContain('SECRET');
  const failing = await startHook([500, 503]);
  const failed = await run(['notify-test'], { KMI_NOTIFY: failing.origin + SECRET });
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('HTTP 503.')]);
  expect(failing.posted).toHaveLength(2);
  const silent = await startHook([0]);
  expect(await run(['notify-test'], { KMI_NOTIFY: silent.origin })).toMatchObject({ code: 1, stdout: '' });
  const nowhere = await run(['notify-test'], { KMI_NOTIFY: `https://hook.invalid${SECRET}`, HTTPS_PROXY: '', https_proxy: '' });
  expect(nowhere.stderr.replace(/\s+/g, ' ')).toContain(
    'did not reach https://hook.invalid: hook.invalid could not be reached: ',
  );
  const unset = await run(['notify-test'], {});
  expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('`kmi config set KMI_NOTIFY desktop`')]);
  const bad = await run(['notify-test'], { KMI_NOTIFY: `http://hooks.example${SECRET}` });
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('KMI_NOTIFY')]);
  expect(bad.stderr).not.toContain('SECRET');
});

it('the doctor says whether a notice could arrive, and sends none', async () => {
  const hook = await startHook();
  const text = async (settings: Record<string, string>) => (await run(['doctor'], settings)).stdout.replace(/\s+/g, ' ');
  expect(await text({ KMI_NOTIFY: hook.origin + SECRET })).toContain(`ok Notices go to ${hook.origin}.`);
  expect(await text({ KMI_NOTIFY: `https://hook.invalid${SECRET}` })).toMatch(
    /warn Notices cannot be sent: the host of https:\/\/hook\.invalid/,
  );
  expect(await text({})).not.toContain('Notices');
  expect(hook.posted).toHaveLength(0);
});

it.skipIf(process.platform !== 'linux')('the doctor looks for the program that shows notices on the desktop', async () => {
  const home = await temporaryHome();
  const doctor = async (PATH: string) =>
    (await runKmi(['doctor'], { env: { ...home.env, KMI_NOTIFY: 'desktop', PATH }, cwd: home.root })).stdout.replace(/\s+/g, ' ');
  expect(await doctor(home.root)).toContain('notify-send is not on the PATH');
  const bin = join(home.root, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'notify-send'), '#!/bin/sh\n');
  await chmod(join(bin, 'notify-send'), 0o755);
  expect(await doctor(bin)).toContain('ok Notices are shown on the desktop by notify-send.');
});

it('nothing the proxy writes holds the secret of a webhook', async () => {
  const hook = await startHook([404]);
  const proxy = await startBinaryProxy({ settings: { KMI_NOTIFY: hook.origin + SECRET } });
  proxy.simulator.account('a').fail('invalid_key');
  await proxy.chat();
  await proxy.log('A notice could not be sent.');
  const written = await readEverything(proxy.home.stateDir);
  expect(written.some(({ path }) => path.includes('proxies'))).toBe(true);
  for (const { path, text } of written)
    expect([path, text.includes('SECRET') || text.includes('x0secret')]).toEqual([path, false]);
});
