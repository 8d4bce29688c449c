import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { shownScreen } from '../support/shown-screen.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';
import { kill } from './daemon-home.ts';
import { confirm, type LoginHome, loginHome, loginSimulator } from './login-home.ts';

const KEY = 'sk-kimi-ada-0123456789abcdef';
/** Enough for all that a set-up says, so that nothing scrolls away. */
const ROWS = 100;

let simulator: Simulator;
let home: LoginHome;
let folder: string;
/** Keys and settings lie where kmi puts them, so that every path is shown as one of the home. */
let env: Record<string, string>;

beforeAll(async () => {
  simulator = await loginSimulator(['ada', 'ben']);
});

beforeEach(async () => {
  home = await loginHome(simulator);
  const { KMI_AUTHS_DIR: _auths, KMI_STATE_DIR: _state, ...rest } = home.env;
  env = { ...rest, KMI_TIMEZONE: 'UTC' };
  folder = join(home.root, 'project');
  await mkdir(folder);
});

/** Widths and looks that the screens of a set-up are seen in. */
const LOOKS = [60, 80, 120].flatMap((columns) => [
  [columns, 'plain', 'kmi --plain'] as const,
  [columns, 'coloured', 'kmi'] as const,
]);

describe.each(LOOKS)('at %i columns, %s', (columns, _look, kmi) => {
  const open = () => openTerminal({ env, cwd: folder, columns, rows: ROWS });
  const ended = async (terminal: Terminal, code: number) => {
    const screen = await terminal.waitFor(new RegExp(`^ended ${code}$`, 'm'));
    for (const line of screen.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
    return shownScreen(await terminal.painted());
  };

  it('kmi --help', async () => {
    const terminal = await open();
    await terminal.typeAfresh(`${kmi} --help`);
    expect(await ended(terminal, 0)).toMatchSnapshot();
  });

  it('kmi init: each question, and its end', async () => {
    const terminal = await open();
    await terminal.typeAfresh(`${kmi} init`);
    await terminal.waitFor(/Log in with[\s\S]*\[Y\/n\] *$/m);
    await terminal.type('n');
    await terminal.waitFor(/API key.*: *$/m);
    await terminal.type('sk-kimi-wrong-0123456789');
    await terminal.waitFor(/refuses[\s\S]*API key.*: *$/m);
    await terminal.type(KEY);
    await terminal.waitFor(/Label for it \[main\]: *$/m);
    await terminal.type('work');
    await terminal.waitFor(/Go live[\s\S]*\[Y\/n\] *$/m);
    await terminal.press('Enter');
    await terminal.waitFor(/Turn auto-rotation on\? \[y\/N\] *$/m);
    await terminal.type('y');
    await terminal.waitFor(/Strategy \[sticky\]: *$/m);
    await terminal.press('Enter');
    expect(await ended(terminal, 0)).toMatchSnapshot();
  });

  it('kmi up: a login, then the proxy and how to use it; once more it finds both', async () => {
    const terminal = await open();
    await terminal.typeAfresh(`${kmi} up`);
    await terminal.waitFor(/Log in with[\s\S]*\[Y\/n\] *$/m);
    await terminal.press('Enter');
    await terminal.waitFor(/^ +code +[A-Z]{4}-[A-Z]{4}/m);
    await confirm(simulator, 'ada');
    await terminal.waitFor(/Go live[\s\S]*\[Y\/n\] *$/m);
    await terminal.press('Enter');
    await terminal.waitFor(/Turn auto-rotation on\? \[y\/N\] *$/m);
    await terminal.press('Enter');
    try {
      expect(await ended(terminal, 0)).toMatchSnapshot();
      await terminal.typeAfresh(`${kmi} up`);
      expect(await ended(terminal, 0)).toMatchSnapshot();
    } finally {
      const pid = Number(/"pid": (\d+)/.exec((await home.kmi(['proxy', '--json'], env)).stdout)?.[1]);
      if (pid > 0) kill(pid);
    }
  });
});
