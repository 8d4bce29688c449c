import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';

const KEY = 'sk-kimi-ada-0123456789abcdef';

let simulator: Simulator;
let home: TemporaryHome;
let env: Record<string, string>;

beforeAll(async () => {
  simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [KEY] }] });
  cleanUp(() => simulator.close());
});

beforeEach(async () => {
  home = await temporaryHome();
  env = { ...home.env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl };
});

/** What stands in the settings: those of the home, unless the folder has its own. */
const settings = (folder = home.stateDir) => readFile(join(folder, '.env'), 'utf8').catch(() => '');
const add = (args: readonly string[] = [], more: Readonly<Record<string, string>> = {}) =>
  runKmi(['keys', 'add', ...args], { env: { ...env, ...more }, cwd: home.root, stdin: KEY });

it('`kmi keys add` of a key that works offers to go live, and writes it after a yes', async () => {
  const terminal = await openTerminal({ env, cwd: home.root });
  await terminal.type('kmi keys add ada');
  await terminal.waitFor(/API key/);
  await terminal.paste(KEY);
  await terminal.press('Enter');
  await terminal.waitFor(/Added ada(.|\n)*Go live\? \[Y\/n\]/);
  expect(await settings()).toBe('');
  await terminal.press('Enter');
  await terminal.waitFor(/Live: requests go to the upstream\.(.|\n)*ended 0/);
  expect(await settings()).toBe('KMI_DRY_RUN=0\n');
});

it('a no leaves everything as it is, and says how to go live later', async () => {
  const terminal = await openTerminal({ env, cwd: home.root });
  await terminal.type('kmi keys add ada');
  await terminal.waitFor(/API key/);
  await terminal.paste(KEY);
  await terminal.press('Enter');
  await terminal.waitFor(/Go live\?/);
  await terminal.type('n');
  await terminal.waitFor(/`kmi init --live` changes that(.|\n)*ended 0/);
  expect(await settings()).toBe('');
});

it('without a terminal it says how; when the key was not tested or kmi is live it says nothing', async () => {
  const tested = await add(['one']);
  expect(tested).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Added one .*\n$/) });
  expect(tested.stderr).toContain('kmi is in dry-run and sends nothing yet: `kmi init --live` goes live.');
  await runKmi(['keys', 'remove', 'one', '-y'], { env, cwd: home.root });
  expect((await add(['two', '--no-test'])).stderr).not.toContain('live');
  await runKmi(['keys', 'remove', 'two', '-y'], { env, cwd: home.root });
  expect((await add(['three'], { KMI_DRY_RUN: '0' })).stderr).not.toContain('live');
});

it('`kmi init` asks once more when dry-run was chosen before and a key works now', async () => {
  await writeFile(join(home.root, '.env'), 'KMI_DRY_RUN=1\n');
  const terminal = await openTerminal({ env, cwd: home.root });
  await terminal.type('kmi init --no-auto-rotate');
  await terminal.waitFor(/rather than enter an API key\?/);
  await terminal.type('n');
  await terminal.waitFor(/API key \(not shown/);
  await terminal.paste(KEY);
  await terminal.press('Enter');
  await terminal.waitFor(/Label for it/);
  await terminal.press('Enter');
  await terminal.waitFor(/Go live: send requests to the upstream\?/);
  await terminal.press('Enter');
  await terminal.waitFor(/Live: requests go to the upstream\.(.|\n)*ended 0/);
  expect(await settings(home.root)).toContain('KMI_DRY_RUN=0\n');
  expect(await settings()).toBe('');
});
