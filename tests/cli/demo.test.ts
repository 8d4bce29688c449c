import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

it('shows chats as they are streamed, the key that served each, and the limit nobody noticed', async () => {
  const home = await temporaryHome();
  // A temporary folder of its own: other tests simulate at the same time.
  const temporary = join(home.root, 'tmp');
  await mkdir(temporary);
  const env = { ...home.env, TMPDIR: temporary };
  const { code, stdout, stderr } = await runKmi(['demo', '--plain'], { env, cwd: home.root, timeoutMs: 30_000 });
  expect([code, stderr]).toEqual([0, '']);
  for (let n = 1; n <= 6; n++) expect(stdout).toContain(`chat ${n}`);
  for (const name of ['ada', 'ben', 'cleo']) expect(stdout).toContain(`Hello from account ${name}`);
  expect(stdout).toMatch(/client sees: Hello from account ada, request 1\.\n/);
  expect(stdout).toMatch(/served by: +ben refused it \(403, quota\), so cleo/);
  expect(stdout).toContain('6 of 6 chats were answered');
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('Next: `kmi init` sets kmi up with a key of your own.');
  // Plain: ASCII, no colour.
  expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
  expect(stdout).not.toContain('sk-');
  // It leaves nothing behind, neither at home nor in the temporary folder.
  expect(await readdir(home.stateDir).catch(() => [])).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
});

it('works when a real proxy holds its address, and with keys of its own present', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'mine' });
  const env = { ...home.env, KMI_PROXY_LISTEN: '0.0.0.0:1', KMI_PROXY_TOKEN: 'token', KMI_DRY_RUN: '1', KMI_PROXY_MAX_RPM: '1' };
  const { code, stdout } = await runKmi(['demo'], { env, cwd: home.root, timeoutMs: 30_000 });
  expect(stdout).not.toContain('mine');
  expect(code).toBe(0);
});
