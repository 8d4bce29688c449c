import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { homeWithPort, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';

it('kmi alone in a terminal is the short status and the next command', async () => {
  const home = await homeWithPort();
  const terminal = await openTerminal({ env: home.env, cwd: home.root, columns: 60 });
  await terminal.type('kmi');
  expect(await terminal.waitFor(/ended 0/)).toMatch(/No keys yet\.\nNext {2}kmi up /);
  await home.addKey({ label: 'ada' });
  await terminal.typeAfresh('kmi');
  const screen = await terminal.waitFor(/> ada[\s\S]*ended 0/);
  expect(screen).toMatch(
    /Proxy {2}not running[\s\S]*> ada +ready[\s\S]*Next {2}kmi proxy {2}starts the proxy\nAll commands: kmi --help/,
  );
});

it('into a pipe, and with --help, it is the help as before', async () => {
  const home = await temporaryHome();
  const [alone, asked] = await Promise.all([[], ['--help']].map((args) => runKmi(args, { env: home.env, cwd: home.root })));
  expect(alone?.stdout).toBe(asked?.stdout);
  expect(alone?.stdout).toMatch(/^Usage: kmi/);
});

it('where only ASCII is shown, marks are ASCII, and colour stays', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  const run = async (LANG: string, args: string[]) =>
    (await runKmi(args, { env: { ...home.env, LANG, FORCE_COLOR: '1' }, cwd: home.root })).stdout;
  for (const args of [['status', '--all'], ['health'], ['rotate'], ['doctor'], ['config', '--all']]) {
    expect(stripVTControlCharacters(await run('C', args))).toMatch(/^[\n\u0020-\u007e]*$/);
  }
  expect(await run('C', ['health'])).toContain('\u001b[');
  expect(await run('C.UTF-8', ['health'])).toContain('█');
});

it('sentences are wrapped at blanks in a terminal', async () => {
  const home = await homeWithPort();
  // A folder for temporary files of its own: another test looks for what a demo leaves in the common one.
  const env = { ...home.env, TMPDIR: home.root };
  const terminal = await openTerminal({ env, cwd: home.root, columns: 60, rows: 40 });
  await terminal.type('kmi demo');
  const screen = await terminal.waitFor(/ended 0/);
  expect(screen).toMatch(/client sees: Hello from account ada, request 1\.\n/);
  // A word that the terminal had to break would come with a blank in it.
  const text = screen.replace(/\s+/g, ' ');
  expect(text).toMatch(/The proxy in front of it serves http:\/\/127\.0\.0\.1:\d+\/kmi-rotor\/v1 in round-robin\. /);
  expect(text).toMatch(/served by: ben refused it \(403, quota\), so cleo 200, \d+ ms /);
  expect(text).toContain('6 of 6 chats were answered. ben reached its limit, and the client did not notice. ');
}, 60_000);
