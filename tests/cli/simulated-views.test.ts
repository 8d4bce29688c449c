import { beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { homeWithPort } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';

let env: Record<string, string>;
let cwd: string;
const kmi = (...args: string[]) => runKmi(args, { env, cwd });

/** As after `npm start` in an empty home, with three chats answered. */
beforeAll(async () => {
  const home = await homeWithPort();
  env = { ...home.env };
  cwd = home.root;
  const proxy = await startKmi(['proxy', '--foreground', '--simulate-without-keys'], { env, cwd });
  await proxy.waitForOutput(/Point a client/);
  for (let n = 0; n < 3; n++) {
    const body = JSON.stringify({ model: 'kimi-for-coding', messages: [{ role: 'user', content: 'hello there' }] });
    const answer = await fetch(`${home.proxyUrl}/chat/completions`, { method: 'POST', body });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  // A line of the proxy's says that it is in the books; the trace and the usage are written soon after.
  await proxy.waitForOutput(/cleo (?:.|\n)*chat\/completions/);
  await eventually(async () => expect((await kmi('trace', '-n', '5')).stdout.trim().split('\n')).toHaveLength(3) ?? true);
  await eventually(async () => expect((await kmi('usage', '--json')).stdout).toMatch(/"requests": 3/) ?? true);
});

it.each([
  [['status'], /ada(.|\n)*ben(.|\n)*cleo/],
  [['health'], /ada(.|\n)*ben(.|\n)*cleo/],
  [['trace', '-n', '3'], /ada(.|\n)*ben(.|\n)*cleo/],
  [['why'], /Answered 200 by (?:ada|ben|cleo)/],
  [['usage'], /ada(.|\n)*ben(.|\n)*cleo/],
  [['rotate'], /Active key: ada/],
  [['doctor'], /3 keys, 3 accounts/],
  [['e2e', '-n', '6'], /6 of 6 requests were answered/],
])('`kmi %s` shows what the simulation serves, and says that it is simulated', async (args, shown) => {
  const { stdout, stderr } = await kmi(...args);
  expect(stdout).toMatch(shown);
  expect(`${stdout}${stderr}`).toContain('Simulated: made-up accounts answer');
  expect(`${stdout}${stderr}`).not.toMatch(/\bLive\b|Dry-run|There are no keys/);
});

it('data for scripts stays data: the mode is in it or left out', async () => {
  expect(JSON.parse((await kmi('status', '--json')).stdout)).toMatchObject({ mode: 'simulated', keys: { total: 3 } });
  for (const args of [
    ['usage', '--json'],
    ['trace', '--json', '-n', '1'],
    ['why', '--json'],
  ]) {
    const { code, stdout, stderr } = await kmi(...args);
    expect([args, code, stderr]).toEqual([args, 0, '']);
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  }
});

it('the trace window says so in its first line', async () => {
  const terminal = await openTerminal({ env, cwd });
  await terminal.type('kmi trace');
  await terminal.waitFor(/^kmi trace {2}simulated {2}last minute/m);
  await terminal.press('q');
});

it('the shells are offered its requests', async () => {
  const ids = (await kmi('trace', '--json', '-n', '1')).stdout;
  const { request_id: id } = JSON.parse(ids) as { request_id: string };
  expect((await kmi('completion', '--requests')).stdout).toContain(id.slice(0, 8));
});
