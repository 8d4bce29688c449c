import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { runKmi } from '../support/spawn.ts';
import { openTerminal } from '../support/tmux.ts';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { ALONE, kimiEnvironment, type Printed, pathWithKimi, runKimi } from './kimi-environment.ts';
import { type ProxiedSimulator, startProxiedSimulator } from './proxied-simulator.ts';

let clients: InstalledClients;
let proxied: ProxiedSimulator;

beforeAll(async () => {
  clients = await installClients();
  proxied = await startProxiedSimulator();
  // As the upstream does: the OpenAI path is for coding agents, told by the User-Agent (docs/kimi-api.md#user-agent-gate).
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).behave({ enforceUserAgent: true });
});

beforeEach(() => {
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).heal().behave({ reasoningChunks: 0 });
  proxied.takeChats();
});

/** Runs `kimi` with a home of its own, pointed at the proxy by its own variables. */
async function kimi(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<Printed> {
  const home = await mkdtemp(join(proxied.home.root, 'kimi-'));
  return runKimi(clients, args, home, { ...kimiEnvironment(clients, home, proxied.url), ...settings });
}

it('Kimi Code prints the answer that came through the proxy, and two prompts use two keys', async () => {
  const first = await kimi(['-p', 'say hello']);
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/Hello from account (ada|ben), request \d+\./) });
  const second = await kimi(['-p', 'say hello']);
  expect(second).toMatchObject({ code: 0, stdout: expect.stringMatching(/Hello from account (ada|ben), request \d+\./) });
  expect(proxied.takeChats().toSorted()).toEqual(['/chat/completions ada', '/chat/completions ben']);
});

it('Kimi Code still gets its answers when one account is out of quota', async () => {
  proxied.simulator.account('ada').fail('quota_5h');
  for (let prompt = 1; prompt <= 2; prompt += 1) {
    expect(await kimi(['-p', 'say hello'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Hello from account ben') });
  }
  const refused = proxied.simulator.received.filter(({ account, status }) => account === 'ada' && status === 403);
  expect(refused).toHaveLength(1);
  expect(proxied.takeChats()).toEqual(['/chat/completions ben', '/chat/completions ben']);
});

it('the identity and the session of Kimi Code reach the upstream, its key does not', async () => {
  await kimi(['-p', 'say hello']);
  const request = proxied.simulator.received.findLast(({ path }) => path.endsWith('/chat/completions'));
  expect(request?.headers).toMatchObject({
    'user-agent': expect.stringMatching(/^kimi-code-cli\/2\.1\.0/),
    'x-msh-platform': expect.any(String),
    'x-msh-device-id': expect.any(String),
  });
  expect(JSON.parse(String(request?.body)).prompt_cache_key).toEqual(expect.any(String));
  expect(request?.rawHeaders.join('\n')).not.toMatch(/\bproxy\b/);
});

it('Kimi Code speaks the Anthropic protocol through the proxy as well', async () => {
  const printed = await kimi(['-p', 'say hello'], { KIMI_MODEL_PROVIDER_TYPE: 'anthropic' });
  expect(printed).toMatchObject({ code: 0, stdout: expect.stringContaining('Hello from account') });
  expect(proxied.takeChats()).toEqual([expect.stringMatching(/^\/messages /)]);
});

it.each(['cli.js kimi', 'robin.js'])('%s runs Kimi Code through the proxy, with no variable set by hand', async (command) => {
  const [script, ...first] = command.split(' ') as [string, ...string[]];
  const home = await mkdtemp(join(proxied.home.root, 'kimi-'));
  const printed = await runKmi([...first, '-p', 'say hello'], {
    script,
    timeoutMs: 120_000,
    cwd: home,
    env: { ...proxied.home.env, ...ALONE, KMI_DRY_RUN: '0', HOME: home, PATH: pathWithKimi(clients) },
  });
  expect(printed).toMatchObject({ code: 0, stdout: expect.stringContaining('Hello from account') });
  expect(proxied.takeChats()).toEqual([expect.stringMatching(/^\/chat\/completions /)]);
  const version = await runKmi([...first, '--version'], {
    script,
    env: { ...proxied.home.env, HOME: home, PATH: pathWithKimi(clients) },
  });
  expect(version).toEqual({ code: 0, signal: null, stdout: '2.1.0\n', stderr: '' });
});

it('Kimi Code reads the events of a thinking model', async () => {
  for (const name of ['ada', 'ben']) proxied.simulator.account(name).behave({ reasoningChunks: 7 });
  const { code, stdout } = await kimi(['-p', 'say hello', '--output-format', 'stream-json']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(code).toBe(0);
  expect(JSON.stringify(lines)).toContain('Hello from account');
});

it('the interactive Kimi Code works in a terminal through `kmi kimi`, and its end is the end of kmi', async () => {
  const home = await mkdtemp(join(proxied.home.root, 'kimi-'));
  const env = { ...proxied.home.env, ...ALONE, KMI_DRY_RUN: '0', HOME: home };
  const terminal = await openTerminal({ cwd: home, env, columns: 100, rows: 40 });
  await terminal.type(`PATH='${pathWithKimi(clients)}'; clear; kmi kimi`);
  await terminal.waitFor(/Trust this folder\?/);
  await terminal.press('Enter');
  await terminal.waitFor(/kimi-for-coding/);
  // Eight characters or more at once would count as pasted, and their Enter as a new line.
  await terminal.type('hello');
  await terminal.waitFor(/Hello from account (ada|ben), request \d+\./);
  expect(proxied.takeChats()[0]).toMatch(/^\/chat\/completions /);
  await terminal.type('/exit');
  await terminal.waitFor(/ended 0/);
});
