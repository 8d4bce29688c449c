import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { zonedStamp } from '../../src/core/text/zoned-time.ts';
import { startKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { type DaemonHome, daemonHome } from './daemon-home.ts';

const line = (minutesAgo: number, message: string) =>
  `${JSON.stringify({ level: 'info', ts: zonedStamp(Date.now() - minutesAgo * 60_000, 'UTC'), message })}\n`;

async function homeWithLogs(files: Readonly<Record<string, string>>): Promise<DaemonHome> {
  const home = await daemonHome({ KMI_TIMEZONE: 'UTC' });
  await mkdir(join(home.stateDir, 'logs'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(home.stateDir, 'logs', name), text);
  return home;
}

test('the daemon output and the app log are shown as they stand, 50 lines by default', async () => {
  const many = Array.from({ length: 60 }, (_, n) => `line ${n}\n`);
  const home = await homeWithLogs({ 'proxy.out': `${many.join('')}torn`, 'kmi.log': line(0, 'hello') });
  const daemon = await home.kmi(['proxy-logs']);
  expect(daemon).toMatchObject({ code: 0, stderr: '', stdout: `${many.slice(10).join('')}torn\n` });
  expect((await home.kmi(['proxy-logs', '--daemon', '-n', '2'])).stdout).toBe('line 58\nline 59\ntorn\n');
  expect((await home.kmi(['proxy-logs', '-n', '0'])).stdout).toBe('');
  const app = await home.kmi(['proxy-logs', '--app', '--no-follow']);
  expect(JSON.parse(app.stdout)).toMatchObject({ message: 'hello' });
});

test('--since leaves out what is older, by the time in the line', async () => {
  const home = await homeWithLogs({
    'kmi.log.1': line(200, 'oldest') + line(90, 'older'),
    'kmi.log': `${line(5, 'new')}    at a stack\n`,
  });
  const since = async (...args: string[]) => (await home.kmi(['proxy-logs', '--app', ...args])).stdout;
  expect(await since('--since', '10m')).toMatch(/^\{.*"new"\}\n {4}at a stack\n$/);
  expect(await since('--since', '2h')).toMatch(/^\{.*"older"\}\n\{.*"new"\}\n {4}at a stack\n$/);
  expect(await since('--since', '2h', '-n', '1')).toBe('    at a stack\n');
  expect(await since('--since', new Date(Date.now() - 3_600_000).toISOString())).toMatch(/^\{.*"new"\}/);
});

test.each([
  [['--since', 'yesterday'], /--since yesterday: takes a span such as 30s, 10m, 1h or 2d/],
  [['-n', 'many'], /-n many: takes a whole number/],
  [['-n', '-1'], /-n/],
  [['--daemon', '--app'], /cannot stand together/],
])('%j is refused with exit code 2', async (args, words) => {
  const home = await homeWithLogs({ 'proxy.out': 'x\n', 'kmi.log': 'x\n' });
  const { code, stdout, stderr } = await home.kmi(['proxy-logs', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(words);
});

test.each([['--daemon'], ['--app']])('without a log %s ends with exit code 1 and says where it would be', async (which) => {
  const home = await daemonHome();
  const { code, stdout, stderr } = await home.kmi(['proxy-logs', which]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/There is no log at .*logs\/(proxy\.out|kmi\.log)\.\n.*`kmi proxy`/);
});

test('following goes on through rotation, leaves nothing out and repeats nothing', async () => {
  const home = await homeWithLogs({ 'kmi.log': line(60, 'too old') + line(1, 'a') });
  const log = join(home.stateDir, 'logs', 'kmi.log');
  const args = ['proxy-logs', '--app', '--follow', '--since', '10m'];
  const following = await startKmi(args, { env: home.env, cwd: home.root });
  await following.waitForOutput(/"a"/);
  await appendFile(log, line(0, 'b'));
  await following.waitForOutput(/"b"/);
  await appendFile(log, line(0, 'c'));
  await rename(log, `${log}.1`);
  await writeFile(log, line(30, 'too old again') + line(0, 'd'));
  await following.waitForOutput(/"d"/);
  expect(await following.stop('SIGINT')).toEqual({ code: 0, signal: null });
  expect(following.stdout().match(/"message":"[^"]*"/g)).toEqual(['a', 'b', 'c', 'd'].map((text) => `"message":"${text}"`));
});

test('what the proxy really writes can be read back', async () => {
  const home = await daemonHome();
  await home.addKey({ label: 'ada' });
  await home.start();
  await home.kmi(['proxy-stop', '-y']);
  expect((await home.kmi(['proxy-logs', '--since', '1h'])).stdout).toMatch(/kmi proxy .* starts\.\nkmi proxy serves http/);
  expect((await home.kmi(['proxy-logs', '--app', '--since', '1h'])).stdout).toContain('"message":"The proxy serves."');
});

test('in a terminal lines are made readable, what could drive it is shown, and it follows', async () => {
  const home = await homeWithLogs({ 'kmi.log': `${line(0, 'hello').slice(0, -2)},"keys":3,"name":"two words"}\n` });
  const terminal = await openTerminal({ env: home.env, cwd: home.root, columns: 100 });
  await terminal.type('kmi proxy-logs --app');
  await terminal.waitFor(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 {2}info {3}hello {2}keys=3 name="two words"$/m);
  await appendFile(join(home.stateDir, 'logs', 'kmi.log'), 'plain \u001b[2Jline\n');
  await terminal.waitFor(/^plain \?\[2Jline$/m);
  await terminal.press('C-c');
  await terminal.waitFor(/ended 0/);
});
