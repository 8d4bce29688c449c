import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { homeWithPort } from '../support/home.ts';
import { startBinaryProxy } from '../support/proxy.ts';
import { startKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { liveHomeWithPort } from './daemon-home.ts';

const chat = (url: string, content = 'a secret plan') =>
  fetch(`${url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }),
  });

test('the foreground proxy prints a line for each request, and marks what went another way', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'] });
  expect((await proxy.chat()).status).toBe(200);
  await proxy.kmi.waitForOutput(/ 200 +\d+ m?s +a /);
  proxy.simulator.account('a').setQuota({ fiveHour: { limit: 1, used: 1 } });
  expect((await proxy.chat()).status).toBe(200);
  await proxy.kmi.waitForOutput(/after a 4\d\d/);
  const lines = proxy.kmi.stdout().trimEnd().split('\n');
  const [first, second] = await proxy.trace(2);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^ {2}\d\d:\d\d:\d\d +200 +\d+ m?s +a +\S+\/\d+% +\d+ +\/chat\/completions +[0-9a-f]{8}$/);
  expect(lines[1]).toMatch(/^! \d\d:\d\d:\d\d +200 +\d+ m?s +b .*\/chat\/completions +[0-9a-f]{8} +after a 4\d\d/);
  expect([first, second].map((event) => event?.request_id.slice(0, 8))).toEqual(
    lines.map((line) => /[0-9a-f]{8}(?= |$)/.exec(line.slice(60))?.[0]),
  );
});

test('prompts are not in the lines; --quiet prints none, and neither does the background proxy', async () => {
  const { home } = await liveHomeWithPort();
  const shown = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  await shown.waitForOutput(/Point a client/);
  await chat(home.proxyUrl);
  await shown.waitForOutput(/chat\/completions/);
  await shown.stop();
  expect(shown.stdout()).not.toContain('secret');
  const quiet = await startKmi(['proxy', '--foreground', '--quiet'], { env: home.env, cwd: home.root });
  await quiet.waitForOutput(/Point a client/);
  await chat(home.proxyUrl);
  await quiet.stop();
  expect(quiet.stdout()).toBe('');
  await home.start();
  await chat(home.proxyUrl);
  const trace = join(home.stateDir, 'trace', 'trace.jsonl');
  await eventually(async () => ((await readFile(trace, 'utf8')).trimEnd().split('\n').length === 3 ? true : undefined));
  expect((await home.kmi(['stop'])).code).toBe(0);
  expect(await readFile(join(home.stateDir, 'logs', 'proxy.out'), 'utf8')).not.toContain('chat/completions');
});

test('the simulated proxy prints them too', async () => {
  const home = await homeWithPort();
  const kmi = await startKmi(['proxy', '--foreground', '--simulate-without-keys'], { env: home.env, cwd: home.root });
  await kmi.waitForOutput(/Point a client/);
  await chat(home.proxyUrl);
  await kmi.waitForOutput(/ 200 +\d+ m?s +(?:ada|ben|cleo) /);
});

test('a reader that does not read holds up no request, and the proxy ends all the same', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'ada' });
  const kmi = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  await kmi.waitForOutput(/Point a client/);
  kmi.child.stdout?.pause();
  // Several times what the pipe and this process hold between them.
  for (let n = 0; n < 60; n++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${home.proxyUrl}/models`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  }
  kmi.child.kill('SIGTERM');
  await kmi.waitForOutput(/Stopped\./);
  kmi.child.stdout?.resume();
  expect(await kmi.ended).toEqual({ code: 0, signal: null });
});

test('a reader that has gone is no failure of the proxy', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'ada' });
  const kmi = await startKmi(['proxy', '--foreground'], { env: home.env, cwd: home.root });
  await kmi.waitForOutput(/Point a client/);
  kmi.child.stdout?.destroy();
  for (let n = 0; n < 100; n++) expect((await fetch(`${home.proxyUrl}/models`)).status).toBe(200);
  kmi.child.kill('SIGTERM');
  expect(await kmi.ended).toEqual({ code: 0, signal: null });
});

test('a terminal that is stopped with Ctrl+S holds up no request, and shows the lines afterwards', async () => {
  const home = await homeWithPort();
  await home.addKey({ label: 'ada' });
  const terminal = await openTerminal({ env: home.env, cwd: home.root });
  await terminal.type('kmi proxy --foreground');
  await terminal.waitFor(/Point a client/);
  await fetch(`${home.proxyUrl}/models`);
  await terminal.waitFor(/ 200 +\d+ m?s +ada /);
  await terminal.press('C-s');
  for (let n = 0; n < 20; n++) expect((await fetch(`${home.proxyUrl}/v1/nothing-${n}`)).status).toBeGreaterThan(0);
  for (let n = 0; n < 20; n++) expect((await fetch(`${home.proxyUrl}/models`)).status).toBe(200);
  expect((await terminal.screen()).match(/ 200 +\d+ m?s +ada /g)?.length).toBe(1);
  await terminal.press('C-q');
  await terminal.waitFor(/(?: 200 +\d+ m?s +ada [^\n]*\n(?:.|\n)*){8}/);
  await terminal.press('C-c');
  await terminal.waitFor(/Stopped\.\n+ended 0/);
});
