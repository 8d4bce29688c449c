import { expect, test } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { daemonHome, kill } from './daemon-home.ts';

test('`kmi proxy --json` says which proxy runs as one JSON value, the first time and again', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  await home.addKey({ label: 'ada' });
  const first = await home.kmi(['proxy', '--json']);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(first.code, first.stderr).toBe(0);
  const started = JSON.parse(first.stdout);
  expect(started).toMatchObject({ started: true, pid, uptime_seconds: 0, keys: { total: 1, ready: 1 }, mode: 'dry-run' });
  expect(await (await fetch(new URL('/healthz', started.url))).json()).toMatchObject({
    name: 'kmi',
    pid,
    version: started.version,
  });
  const again = JSON.parse((await home.kmi(['start', '--json'])).stdout);
  expect(again).toMatchObject({ started: false, pid, url: started.url, log: started.log, keys: null });
});

test('a simulated proxy says so in its JSON', async () => {
  const home = await daemonHome({ KMI_PROXY_LISTEN: '127.0.0.1:0' });
  const { stdout } = await home.kmi(['proxy', '--simulate-without-keys', '--json']);
  cleanUp(async () => kill((await home.pid()) as number));
  expect(JSON.parse(stdout)).toMatchObject({ started: true, mode: 'simulated', keys: { total: 3 } });
  expect(JSON.parse((await home.kmi(['proxy', '--json'])).stdout)).toMatchObject({ started: false, mode: 'simulated' });
});

test('without keys there is no JSON but an error, and in the foreground it is refused with the command that has it', async () => {
  const home = await daemonHome();
  expect(await home.kmi(['proxy', '--json'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('kmi init') });
  const foreground = await home.kmi(['proxy', '--foreground', '--json']);
  expect(foreground).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('kmi trace --json') });
});
