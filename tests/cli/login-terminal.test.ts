import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';
import { confirm, kimiCodeLogin, type LoginHome, loginHome, loginSimulator } from './login-home.ts';

let simulator: Simulator;
let home: LoginHome;

beforeAll(async () => {
  simulator = await loginSimulator(['ada', 'ben']);
});

beforeEach(async () => {
  home = await loginHome(simulator);
  for (const code of simulator.oauth.pending) simulator.oauth.expire(code);
});

const open = (options: { columns?: number; env?: Readonly<Record<string, string>> } = {}) =>
  openTerminal({ ...options, env: { ...home.env, ...options.env }, cwd: home.root });
/** The screen once the countdown has gone on. */
async function counted(terminal: Terminal): Promise<string> {
  const [, first] =
    /confirm: (1[45] min[^.]*) left\. Ctrl/.exec(await terminal.waitFor(/confirm: 1[45] min.* left\. Ctrl\+C/)) ?? [];
  return terminal.waitFor(new RegExp(`confirm: (?!${first} left)1[345] min.* left\\. Ctrl\\+C`));
}

const settings = () => readFile(join(home.stateDir, '.env'), 'utf8').catch(() => '');

describe('kmi login in a terminal', () => {
  it('counts down on one line, which is gone when the login is there, and offers to go live', async () => {
    const terminal = await open();
    await terminal.type('kmi login');
    await terminal.waitFor(/confirm the code there:\n +address +http:\S+user_code=[A-Z-]+\n +code +[A-Z]{4}-[A-Z]{4}\n+Waiting/);
    expect((await counted(terminal)).match(/Waiting/g)).toHaveLength(1);
    await confirm(simulator, 'ada');
    const asked = await terminal.waitFor(/Logged in as ada \(ada@example\.com\)(.|\n)*Go live\? \[Y\/n\]/);
    expect(asked).not.toContain('Waiting');
    expect(await settings()).toBe('');
    await terminal.press('Enter');
    await terminal.waitFor(/Live: requests go to the upstream\.(.|\n)*`kmi up` starts the proxy(.|\n)*ended 0/);
    expect(await settings()).toBe('KMI_DRY_RUN=0\n');
    expect(Object.keys(await home.logins())).toEqual(['ada']);
  });

  it.each([60, 120])('fits %i columns: the countdown takes one row, and the address can be copied whole', async (columns) => {
    const terminal = await open({ columns });
    await terminal.type('kmi login');
    const screen = await counted(terminal);
    expect(screen.match(/Waiting/g)).toHaveLength(1);
    const [code] = simulator.oauth.pending;
    expect(screen.replaceAll('\n', '')).toContain(`${simulator.origin}/device?user_code=${code}`);
    await terminal.press('C-c');
    await terminal.waitFor(/ended 130/);
  });

  it('Ctrl+C leaves a clean line and nothing else', async () => {
    const terminal = await open();
    await terminal.type('kmi login');
    await terminal.waitFor(/Waiting for you to confirm/);
    await terminal.press('C-c');
    const screen = await terminal.waitFor(/^Interrupted\. Nothing was stored\.\nended 130$/m);
    expect(screen).not.toContain('Waiting');
    expect(await home.logins()).toEqual({});
    await terminal.typeAfresh('stty -a');
    expect(await terminal.waitFor(/echo/)).toMatch(/ icanon (.|\n)* echo /);
  });

  it('suspended and in front again it goes on where it was', async () => {
    const terminal = await open();
    await terminal.type('kmi login --no-browser');
    await terminal.waitFor(/Waiting for you to confirm/);
    await terminal.press('C-z');
    await terminal.waitFor(/Stopped/);
    await terminal.type('fg');
    await terminal.waitFor(/fg(.|\n)*Waiting for you to confirm/);
    await confirm(simulator, 'ben');
    await terminal.waitFor(/Logged in as ben/);
  });

  it('opens a browser where there is a display, once, and not with --no-browser', async () => {
    const bin = join(home.root, 'bin');
    const seen = join(home.root, 'seen');
    await mkdir(bin);
    await writeFile(join(bin, 'xdg-open'), '#!/bin/sh\necho "$1" >> "$SEEN"\n', { mode: 0o700 });
    const terminal = await open({ env: { SEEN: seen } });
    // tmux gives its shells its own path and display.
    await terminal.type(`export DISPLAY=:99 PATH='${bin}':"$PATH"; clear`);
    await terminal.type('kmi login --no-browser');
    await terminal.waitFor(/Waiting for you to confirm/);
    await terminal.press('C-c');
    await terminal.waitFor(/ended 130/);
    await terminal.typeAfresh('kmi login');
    const [code] = (await terminal.waitFor(/code +[A-Z]{4}-[A-Z]{4}\n+Waiting/)).match(/[A-Z]{4}-[A-Z]{4}$/m) ?? [];
    expect(await eventually(() => readFile(seen, 'utf8'))).toBe(`${simulator.origin}/device?user_code=${code}\n`);
    await terminal.press('C-c');
    await terminal.waitFor(/ended 130/);
  });
});

describe('kmi logout in a terminal', () => {
  it('asks; Enter alone means no', async () => {
    await home.logIn('ada');
    const terminal = await open();
    await terminal.type('kmi logout ada');
    await terminal.waitFor(/Log out ada \(ada@example\.com\)\? Its tokens are deleted\. \[y\/N\]/);
    await terminal.press('Enter');
    await terminal.waitFor(/Nothing was changed\.(.|\n)*ended 1/);
    expect(Object.keys(await home.logins())).toEqual(['ada']);
    await terminal.typeAfresh('kmi logout ada');
    await terminal.waitFor(/\[y\/N\]/);
    await terminal.type('y');
    await terminal.waitFor(/Logged out ada\.(.|\n)*ended 0/);
    expect(await home.logins()).toEqual({});
  });
});

describe('kmi init in a terminal', () => {
  it('offers the login of Kimi Code first, and uses it in place', async () => {
    const slot = await kimiCodeLogin(home, simulator, 'ada');
    const before = await slot.text();
    const terminal = await open();
    await terminal.type('kmi init --no-auto-rotate');
    await terminal.waitFor(/Kimi Code is logged in on this machine(.|\n)*nothing\s+is copied(.|\n)*Use it\? \[Y\/n\]/);
    await terminal.press('Enter');
    await terminal.waitFor(/Using the login of Kimi Code as ada(.|\n)*Go live: send requests to the upstream\? \[Y\/n\]/);
    await terminal.press('Enter');
    await terminal.waitFor(/Live: requests go to the upstream\.(.|\n)*kmi kimi(.|\n)*ended 0/);
    expect(await slot.text()).toBe(before);
    expect(await home.logins()).toMatchObject({ ada: { kind: 'kimi-code', file: slot.file } });
    // It is not offered again.
    await terminal.typeAfresh('kmi init --no-auto-rotate');
    await terminal.waitFor(/There is 1 key already: ada\.\n+Add another account\? \[y\/N\]/);
    await terminal.type('y');
    await terminal.waitFor(/Log in with a Kimi account, rather than enter an API key\? \[Y\/n\]/);
    await terminal.press('Enter');
    await terminal.waitFor(/Waiting for you to confirm/);
    await confirm(simulator, 'ben');
    await terminal.waitFor(/Logged in as ben(.|\n)*ended 0/);
    expect(Object.keys(await home.logins()).sort()).toEqual(['ada', 'ben']);
  });

  it('Ctrl+C while it waits for the person ends it, and says what stands', async () => {
    const terminal = await open();
    await terminal.type('kmi init');
    await terminal.waitFor(/rather than enter an API key\? \[Y\/n\]/);
    await terminal.press('Enter');
    await terminal.waitFor(/Waiting for you to confirm/);
    await terminal.press('C-c');
    await terminal.waitFor(/Interrupted\. What was written so far stays(.|\n)*ended 130/);
    expect(await home.logins()).toEqual({});
  });
});
