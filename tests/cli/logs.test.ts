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

test('what the background proxy printed and what the app logged are one log in the order of time, 50 lines by default', async () => {
  const stamp = (minutesAgo: number) => zonedStamp(Date.now() - minutesAgo * 60_000, 'UTC');
  const crash = `${stamp(3)} kmi: something unexpected went wrong\n    at a stack\n`;
  const home = await homeWithLogs({
    'proxy.out': `${stamp(9)} kmi proxy 0.1.0 starts.\n${stamp(9)} kmi proxy serves http://x\n${crash}torn`,
    'kmi.log': line(8, 'first') + line(2, 'last'),
  });
  const { code, stdout, stderr } = await home.kmi(['proxy-logs']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const TIME = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d \\+0000';
  const expected = [
    `${TIME} {9}kmi proxy 0\\.1\\.0 starts\\.`,
    `${TIME} {9}kmi proxy serves http://x`,
    `${TIME} {2}info {3}first`,
    `${TIME} {9}kmi: something unexpected went wrong`,
    ' {4}at a stack',
    `${TIME} {2}info {3}last`,
    'torn',
  ];
  expect(stdout).toMatch(new RegExp(`^${expected.join('\\n')}\\n$`));
  const json = (await home.kmi(['proxy-logs', '--json'])).stdout.trim().split('\n');
  expect(json.map((text) => JSON.parse(text).message)).toEqual([
    'kmi proxy 0.1.0 starts.',
    'kmi proxy serves http://x',
    'first',
    'kmi: something unexpected went wrong',
    '    at a stack',
    'last',
    'torn',
  ]);
  expect(JSON.parse(json[4] as string).ts).toMatch(/^\d{4}-.*Z$/);
  expect((await home.kmi(['proxy-logs', '-n', '2'])).stdout).toMatch(/^ {4}at a stack\n.* last\ntorn\n$/);
  expect((await home.kmi(['proxy-logs', '-n', '0'])).stdout).toBe('');
});

test('each of both can be shown alone, and one that is missing keeps nothing from the other', async () => {
  const many = Array.from({ length: 60 }, (_, n) => `line ${n}\n`);
  const home = await homeWithLogs({ 'proxy.out': many.join('') });
  expect((await home.kmi(['proxy-logs'])).stdout).toBe(many.slice(10).join(''));
  await writeFile(join(home.stateDir, 'logs', 'kmi.log'), line(0, 'hello'));
  expect((await home.kmi(['proxy-logs', '--daemon', '-n', '2'])).stdout).toBe('line 58\nline 59\n');
  expect((await home.kmi(['proxy-logs', '--app', '--no-follow'])).stdout).toMatch(/^\S+ \S+ \S+ {2}info {3}hello\n$/);
  expect(JSON.parse((await home.kmi(['proxy-logs', '--app', '--json'])).stdout)).toMatchObject({ message: 'hello' });
});

test('--since leaves out what is older, by the time in the line', async () => {
  const home = await homeWithLogs({
    'kmi.log.1': line(200, 'oldest') + line(90, 'older'),
    'kmi.log': `${line(5, 'new')}    at a stack\n`,
  });
  const since = async (...args: string[]) => (await home.kmi(['proxy-logs', '--app', ...args])).stdout;
  expect(await since('--since', '10m')).toMatch(/^.* new\n {4}at a stack\n$/);
  expect(await since('--since', '2h')).toMatch(/^.* older\n.* new\n {4}at a stack\n$/);
  expect(await since('--since', '2h', '-n', '1')).toBe('    at a stack\n');
  expect(await since('--since', new Date(Date.now() - 3_600_000).toISOString())).toMatch(/^.* new\n/);
});

test.each([
  [['--since', 'lately'], /--since lately: takes today, yesterday, week, month, a span such as 10m/],
  [['-n', 'many'], /-n many: takes a whole number/],
  [['-n', '-1'], /-n/],
  [['--daemon', '--app'], /cannot stand together/],
])('%j is refused with exit code 2', async (args, words) => {
  const home = await homeWithLogs({ 'proxy.out': 'x\n', 'kmi.log': 'x\n' });
  const { code, stdout, stderr } = await home.kmi(['proxy-logs', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(words);
});

test.each([['--daemon'], ['--app'], ['--no-follow']])(
  'without a log %s ends with exit code 1 and says where it would be',
  async (which) => {
    const home = await daemonHome();
    const { code, stdout, stderr } = await home.kmi(['proxy-logs', which]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/There is no log at .*logs\/(proxy\.out|kmi\.log)\.\n.*`kmi proxy`/s);
  },
);

test('following goes on through rotation, leaves nothing out and repeats nothing', async () => {
  const home = await homeWithLogs({ 'kmi.log': line(60, 'too old') + line(1, 'a') });
  const log = join(home.stateDir, 'logs', 'kmi.log');
  const args = ['proxy-logs', '--json', '--follow', '--since', '10m'];
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
  const { stdout } = await home.kmi(['proxy-logs', '--since', '1h']);
  // Of one second, what was printed comes before what was logged.
  for (const words of [
    'kmi proxy .* starts\\.',
    'kmi proxy serves http',
    'The proxy serves\\. .*pid=',
    'Stopping: ',
    'The proxy stopped\\.',
  ])
    expect(stdout).toMatch(new RegExp(`^\\d{4}-\\S+ \\S+ \\S+ {2}.*${words}`, 'm'));
  expect(stdout.indexOf('The proxy serves.')).toBeLessThan(stdout.indexOf('The proxy stopped.'));
});

test('in a terminal lines are made readable, what could drive it is shown, and it follows', async () => {
  const home = await homeWithLogs({ 'kmi.log': `${line(0, 'hello').slice(0, -2)},"keys":3,"name":"two words"}\n` });
  const terminal = await openTerminal({ env: home.env, cwd: home.root, columns: 100 });
  await terminal.type('kmi logs --app');
  await terminal.waitFor(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 {2}info {3}hello {2}keys=3 name="two words"$/m);
  await appendFile(join(home.stateDir, 'logs', 'kmi.log'), 'plain \u001b[2Jline\n');
  await terminal.waitFor(/^plain \?\[2Jline$/m);
  await terminal.press('C-c');
  await terminal.waitFor(/ended 0/);
});
