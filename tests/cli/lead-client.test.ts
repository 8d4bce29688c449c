import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { pathOf, writeStandIn } from './stand-in-kimi.ts';

let home: TemporaryHome;
/** Where the proxy serves. */
let url: string;
let bin: string;
let env: Record<string, string>;
const TOKEN = 'a-long-random-token';

beforeAll(async () => {
  home = await temporaryHome();
  const { key } = await home.addKey({ label: 'a' });
  const simulator = await startSimulator({ accounts: [{ name: 'a', keys: [key] }] });
  cleanUp(() => simulator.close());
  const live = { ...home.env, KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: simulator.baseUrl, KMI_PROXY_TOKEN: TOKEN };
  const proxy = await startKmi(['proxy', '--foreground'], { env: live, cwd: home.root });
  [, url = ''] = await proxy.waitForOutput(/serves (\S+)/);
  await proxy.waitForOutput(/Point a client/);
});

beforeEach(async () => {
  bin = await mkdtemp(join(home.root, 'bin-'));
  env = { ...home.env, HOME: bin, PATH: pathOf(bin), KMI_PROXY_TOKEN: TOKEN };
});

const run = (args: readonly string[], more: Record<string, string> = {}) =>
  runKmi(['run', '--', ...args], { env: { ...env, ...more }, cwd: bin });

async function claudeSettings(values: Record<string, string>): Promise<void> {
  await mkdir(join(bin, '.claude'), { recursive: true });
  await writeFile(join(bin, '.claude', 'settings.json'), JSON.stringify({ env: values }));
}

describe('Claude Code', () => {
  it('without settings that lead elsewhere is started as it is, and nothing is said', async () => {
    await claudeSettings({ API_TIMEOUT_MS: '600000' });
    const claude = await writeStandIn(join(bin, 'claude'));
    expect(await run(['claude', '-p', 'hi'])).toMatchObject({ code: 0, stderr: '' });
    expect((await claude.met()).args).toEqual(['-p', 'hi']);
  });

  it('with such settings reaches the proxy all the same, and the token goes along outside of its arguments', async () => {
    await claudeSettings({ ANTHROPIC_BASE_URL: 'https://api.kimi.com/coding/', ANTHROPIC_AUTH_TOKEN: 'sk-kimi-0000' });
    const claude = await writeStandIn(join(bin, 'claude'));
    const { stderr } = await run(['claude', '-p', 'hi']);
    expect(stderr).toContain('.claude/settings.json sets ANTHROPIC_BASE_URL (api.kimi.com), which Claude Code puts before');
    expect(stderr).not.toContain('sk-kimi');
    const { args, env: met } = await claude.met();
    expect(args).toEqual(['--settings', JSON.stringify({ env: { ANTHROPIC_BASE_URL: url.slice(0, -3) } }), '-p', 'hi']);
    expect(met.ANTHROPIC_CUSTOM_HEADERS).toBe(`x-kmi-proxy-token: ${TOKEN}`);
  });

  it('with --settings of its own is not given a second one, and the person is told', async () => {
    const claude = await writeStandIn(join(bin, 'claude'));
    const own = ['--settings', '{"env":{"ANTHROPIC_BASE_URL":"https://gateway.example"}}'];
    const { stderr } = await run(['claude', ...own]);
    expect(stderr).toContain('Claude Code bypasses the proxy: --settings sets ANTHROPIC_BASE_URL (gateway.example)');
    expect((await claude.met()).args).toEqual(own);
  });

  it('a shell that sends it to another cloud is overruled', async () => {
    const claude = await writeStandIn(join(bin, 'claude'));
    await run(['claude'], { CLAUDE_CODE_USE_BEDROCK: '1' });
    expect((await claude.met()).env).not.toHaveProperty('CLAUDE_CODE_USE_BEDROCK');
  });

  it('`kmi env` and the doctor tell of settings that go before the variables', async () => {
    await claudeSettings({ ANTHROPIC_BASE_URL: 'https://api.kimi.com/coding/' });
    const printed = await runKmi(['env', '--shell', 'bash'], { env, cwd: bin });
    expect(printed.stderr).toContain('`kmi run -- claude` overrules it.');
    const doctor = await runKmi(['doctor', '--json'], { env, cwd: bin });
    const found = JSON.parse(doctor.stdout).checks.filter(({ check }: { check: string }) => check === 'client_settings');
    expect(found).toMatchObject([
      { level: 'warn', text: expect.stringContaining('.claude/settings.json sets ANTHROPIC_BASE_URL') },
    ]);
  });
});

it('Codex gets its provider by flags, behind npx too', async () => {
  const codex = await writeStandIn(join(bin, 'codex'));
  await run(['codex', 'exec', 'hi']);
  const { args, env: met } = await codex.met();
  expect(args.slice(0, 2)).toEqual(['-c', 'model_provider="kmi"']);
  expect(args[3]).toContain(`base_url="${url}"`);
  expect(args.slice(-2)).toEqual(['exec', 'hi']);
  expect(args.join(' ')).not.toContain(TOKEN);
  expect(met.OPENAI_API_KEY).toBe(TOKEN);
  const npx = await writeStandIn(join(bin, 'npx'));
  await run(['npx', '-y', '@openai/codex', 'exec', 'hi']);
  expect((await npx.met()).args.slice(0, 4)).toEqual(['-y', '@openai/codex', '-c', 'model_provider="kmi"']);
});

it('Codex gets its flags behind programs that only run it, and a provider of its own is said', async () => {
  const codex = await writeStandIn(join(bin, 'codex'));
  for (const before of [
    ['env', 'X=1'],
    ['nice', '-n', '1'],
    ['timeout', '60'],
  ]) {
    expect((await run([...before, 'codex', 'exec', before.join()])).stderr).toBe('');
    const { args } = await codex.met();
    expect(args.slice(0, 2)).toEqual(['-c', 'model_provider="kmi"']);
    expect(args.slice(-2)).toEqual(['exec', before.join()]);
  }
  const own = await run(['env', 'X=1', 'codex', 'exec', '-c', 'model_provider="mine"', 'hi']);
  expect(own.stderr).toBe('kmi: Codex bypasses the proxy: its command line chooses a provider itself (model_provider).\n');
  expect((await codex.met()).args).toEqual(['exec', '-c', 'model_provider="mine"', 'hi']);
  expect((await run(['codex', '--oss', '--version'])).stderr).toBe('');
});

it('Kimi Code by `kmi run` is told of a session that keeps its provider, as by `kmi kimi`', async () => {
  await writeStandIn(join(bin, 'kimi'), { marker: '@moonshot-ai/kimi-code' });
  expect((await run(['kimi', '-c'])).stderr).toContain('this session may go around the proxy.');
});

describe('when no request came through the proxy', () => {
  const AWHILE = 'setTimeout(() => process.exit(Number(process.argv[2] ?? 0)), 1200);';

  it('a line says so, whatever the exit code', async () => {
    await writeStandIn(join(bin, 'agent'), { does: AWHILE });
    for (const code of [0, 3]) {
      const finished = await run(['agent', String(code)]);
      expect([finished.code, finished.stdout]).toEqual([code, '']);
      expect(finished.stderr).toMatch(/^kmi: No request of agent came through the proxy; see `kmi doctor`.*\n$/);
    }
  });

  it('nothing is said of one that ended at once, was ended by a signal or asked for something else', async () => {
    expect((await run(['true'])).stderr).toBe('');
    await writeStandIn(join(bin, 'claude'), { does: 'setTimeout(() => process.exit(0), 1200);' });
    for (const args of [['--version'], ['mcp', 'list']]) expect((await run(['claude', ...args])).stderr).toBe('');
    await writeStandIn(join(bin, 'stopped'), { does: 'setTimeout(() => process.kill(process.pid, "SIGKILL"), 1200);' });
    expect(await run(['stopped'])).toMatchObject({ code: 137, stderr: '' });
  });

  it('nor of one whose request was refused: it came through', async () => {
    const ask = `fetch(process.env.OPENAI_BASE_URL + '/models').then(() => setTimeout(() => process.exit(0), 1200));`;
    await writeStandIn(join(bin, 'agent'), { does: ask });
    expect((await run(['agent'])).stderr).toBe('');
  });
});
