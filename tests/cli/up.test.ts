import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { openTerminal } from '../support/tmux.ts';
import { daemonHomeWithPort, kill, liveHomeWithPort } from './daemon-home.ts';

const KEY = 'sk-kimi-ada-0123456789abcdef';

test('with a key `kmi up` starts the proxy and says how to use it; again it starts none', async () => {
  const { home } = await liveHomeWithPort();
  const first = await home.kmi(['up']);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  const says = [
    `kmi proxy serves ${home.proxyUrl} (pid ${pid}).`,
    'Live: requests go to the upstream.',
    '  Kimi CLI    kmi kimi',
    '  others      kmi run -- claude',
    '  this shell  eval "$(kmi env)"',
    `  by hand     KIMI_BASE_URL=${home.proxyUrl} KIMI_API_KEY=kmi`,
    '',
  ].join('\n');
  expect(first).toMatchObject({
    code: 0,
    stdout: says,
    stderr: 'kmi: No proxy runs; starting one. `kmi stop` stops it.\n',
  });
  expect(await home.kmi(['up'])).toMatchObject({ code: 0, stdout: says, stderr: '' });
});

test('without a key it asks in a terminal, then the proxy has it, live', async () => {
  const simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [KEY] }] });
  cleanUp(() => simulator.close());
  const home = await daemonHomeWithPort({ KMI_UPSTREAM_BASE_URL: simulator.baseUrl });
  const terminal = await openTerminal({ env: home.env, cwd: home.root });
  await terminal.type('kmi up');
  await terminal.waitFor(/kmi asks for an account(.|\n)*rather than enter an API key\?/);
  await terminal.type('n');
  await terminal.waitFor(/API key \(not shown/);
  await terminal.type(KEY);
  await terminal.waitFor(/Label for it/);
  await terminal.press('Enter');
  await terminal.waitFor(/Go live/);
  await terminal.press('Enter');
  await terminal.waitFor(/Turn auto-rotation on/);
  await terminal.press('Enter');
  const screen = await terminal.waitFor(/serves http(.|\n)*Live: requests go(.|\n)*Kimi CLI +kmi kimi(.|\n)*ended 0/);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  expect(screen).not.toContain('0123456789');
  expect(screen).not.toMatch(/^Next$/m);
  expect(await readFile(join(home.authsDir, 'main.env'), 'utf8')).toContain(KEY);
  const chat = await fetch(`${home.proxyUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect(chat.status).toBe(200);
  expect(chat.headers.get('x-kmi-dry-run')).toBeNull();
});

test('without a key and a terminal it names the command that takes one', async () => {
  const home = await daemonHomeWithPort();
  const { code, stdout, stderr } = await home.kmi(['up']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(`kmi: There are no keys in ${home.authsDir}.`);
  expect(stderr).toContain('`kmi init --key-stdin --yes < file-with-the-key`');
  expect(await home.pid()).toBeNull();
});

test('beside a simulation it says that the keys are not in use, and how they are', async () => {
  const home = await daemonHomeWithPort();
  await home.kmi(['proxy', '--simulate-without-keys']);
  const pid = (await home.pid()) as number;
  cleanUp(async () => kill(pid));
  await home.addKey({ label: 'ada' });
  const { code, stdout, stderr } = await home.kmi(['up']);
  expect(code).toBe(0);
  expect(stdout).toContain('Simulated: made-up accounts answer');
  expect(stderr).toContain('`kmi restart` puts your own to use.');
});

test('the token of the proxy is not printed', async () => {
  const { home } = await liveHomeWithPort();
  const { stdout, stderr } = await home.kmi(['up'], { KMI_PROXY_TOKEN: 'a-long-random-token' });
  cleanUp(async () => kill((await home.pid()) as number));
  expect(stdout).toContain('KIMI_API_KEY=<your proxy token>');
  expect(stdout + stderr).not.toContain('a-long-random-token');
});
