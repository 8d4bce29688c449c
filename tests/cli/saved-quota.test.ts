import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { quotaPath } from '../../src/state/quota-readings.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { keyOf, startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const HOUR = 3_600_000;
const used = (percent: number) => ({ fiveHour: { limit: 100, used: percent, resetsAt: Date.now() + 2 * HOUR } });

async function start() {
  const simulator = await startSimulator({
    accounts: [
      { name: 'work', keys: [keyOf('work')], quota: used(1) },
      { name: 'home', keys: [keyOf('home')], quota: used(97) },
    ],
  });
  cleanUp(() => simulator.close());
  const home = await temporaryHome();
  for (const label of ['work', 'home']) await home.addKey({ label, key: keyOf(label) });
  const env = { ...home.env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl, KMI_DRY_RUN: '0', KMI_TIMEZONE: 'UTC' };
  const run = (...args: string[]) => runKmi(args, { env, cwd: home.root });
  return { simulator, home, run, asked: () => simulator.received.length };
}

describe('what a command has read of the quota', () => {
  it.each([['health'], ['keys', 'test'], ['rotate']])(
    'is known to status after `kmi %s %s`, which asks nobody',
    async (...command) => {
      const { home, run, asked } = await start();
      expect((await run('status')).stdout).toMatch(/home +ready +- /);
      await run(...command.filter((word) => word !== undefined));
      const before = asked();
      const { stdout } = await run('status');
      expect(asked()).toBe(before);
      expect(stdout).toMatch(/work +ready +5h {2}99 %/);
      expect(stdout).toMatch(/home +warn +5h {3}3 %/);
      expect(stdout).toMatch(/5h resets in (?:2 h|1 h 59 min) \(/);
      const { quota } = JSON.parse((await run('status', '--json')).stdout) as { quota: Record<string, unknown>[] };
      expect(quota.map(({ label, remaining_percent: left }) => [label, left])).toEqual([
        ['home', 3],
        ['work', 99],
      ]);
      expect(quota[0]).toMatchObject({ status: 'warn', read_at: expect.stringMatching(/Z$/) });
      expect((await run('keys')).stdout).toMatch(/home +warn/);
      expect((await stat(quotaPath(home.stateDir))).mode & 0o777).toBe(0o600);
      expect(await readFile(quotaPath(home.stateDir), 'utf8')).not.toContain(keyOf('work'));
    },
  );

  it('goes with a renamed key, and not to another key under its label', async () => {
    const { home, run } = await start();
    await run('health');
    expect((await run('keys', 'rename', 'work', 'office')).code).toBe(0);
    expect((await run('status')).stdout).toMatch(/office +ready +5h {2}99 %/);
    await rm(join(home.authsDir, 'home.env'));
    await home.addKey({ label: 'home', key: keyOf('quite-another') });
    expect((await run('status')).stdout).toMatch(/home +ready +- /);
  });

  it('is left out in dry-run, and when the file is damaged, which the doctor says', async () => {
    const { home, run } = await start();
    await run('health');
    const dry = await runKmi(['status'], { env: { ...home.env, KMI_DRY_RUN: '1' }, cwd: home.root });
    expect(dry.stdout).not.toContain('99 %');
    await writeFile(quotaPath(home.stateDir), '{"schema_version":1,');
    const { stdout, stderr, code } = await run('status');
    expect([stderr, code]).toEqual(['', 0]);
    expect(stdout).toMatch(/work +ready +- /);
    expect((await run('doctor')).stdout.replace(/\s+/g, ' ')).toContain('quota.json is damaged');
    await run('health');
    expect((await run('status')).stdout).toMatch(/work +ready +5h {2}99 %/);
    expect((await run('doctor')).stdout).not.toContain('is damaged');
  });
});

it('what a running proxy has read is shown, with the requests of today', async () => {
  const proxy = await startBinaryProxy({
    accounts: [{ name: 'a', quota: used(10) }],
    autoRotate: true,
    settings: { KMI_USAGE_CACHE_SECONDS: '600', KMI_ROTATE_STRATEGY: 'sticky' },
  });
  await proxy.chat();
  const env = { ...proxy.home.env, KMI_PROXY_LISTEN: `127.0.0.1:${proxy.port}` };
  const shown = await eventually(async () => {
    const { stdout } = await runKmi(['status'], { env, cwd: proxy.home.root });
    return /5h +\d+ %/.test(stdout) && / 1$/m.test(stdout) ? stdout : null;
  });
  expect(shown).toMatch(/^Proxy {2}running at 127\.0\.0\.1:\d+, up .*, live, sticky\n/);
  expect(shown).toMatch(/^a +ready +5h {2}(?:90|89) %.* +1$/m);
});
