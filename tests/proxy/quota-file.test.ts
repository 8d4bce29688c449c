import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { loadRegistry } from '../../src/keys/registry.ts';
import { saveQuotaReadings } from '../../src/state/quota-file.ts';
import { quotaPath, readQuotaReadings } from '../../src/state/quota-readings.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { keyOf, startTestProxy } from '../support/proxy.ts';

const HOUR = 3_600_000;
const quota = (used: number) => ({ fiveHour: { limit: 100, used, resetsAt: Date.now() + HOUR } });

it('a running proxy saves what its monitor reads, within seconds and without a secret', async () => {
  const accounts = [{ name: 'a', quota: quota(30) }, { name: 'b', quota: quota(100) }, 'c'];
  const proxy = await startTestProxy({ accounts, config: { usageCacheSeconds: 600 } });
  const { stateDir } = proxy.home;
  const keys = proxy.serving.pool.entries.map(({ key }) => key);
  proxy.simulator.account('c').fail('invalid_key');
  await eventually(async () => {
    const known = await readQuotaReadings(stateDir, keys, Date.now());
    expect([known.get('a')?.usage?.remainingShare, known.get('b')?.usage?.remainingShare]).toEqual([0.7, 0]);
    expect(Date.now() - (known.get('a')?.fetchedAt ?? 0)).toBeLessThan(60_000);
    return known;
  });
  expect(await readFile(quotaPath(stateDir), 'utf8')).not.toContain(keyOf('a'));
});

it('in dry-run nothing is read, so nothing is saved', async () => {
  const proxy = await startTestProxy({ config: { usageCacheSeconds: 600, dryRun: true } });
  await proxy.serving.stop();
  await expect(readFile(quotaPath(proxy.home.stateDir))).rejects.toThrow('ENOENT');
});

it('a starting proxy goes by readings that are fresh, and they end no cooldown', async () => {
  const home = await temporaryHome();
  await home.addKey({ label: 'a', key: keyOf('a') });
  const until = new Date(Date.now() + HOUR).toISOString();
  const keys = { a: { exhausted_until: until, exhausted_reason: 'quota' } };
  const { keys: known } = await loadRegistry(loadConfig(home.env, home.root).config);
  // The address is the simulator's, which is not known yet: `KMI_UPSTREAM_BASE_URL` gives it to every key.
  const proxy = await startTestProxy({
    home,
    writeKeys: async (_, { baseUrl }) => {
      const reading = {
        usage: { windows: [], remainingShare: 0.6, walletCents: null, parallelLimit: null, plan: null },
        error: null,
      };
      const moved = known.map((key) => ({ ...key, baseUrl }));
      const health = new Map([['a', { ...reading, fetchedAt: Date.now() - 60_000 }]]);
      await saveQuotaReadings({ stateDir: home.stateDir, clock: Date.now }, moved, health);
    },
    state: JSON.stringify({ schema_version: 1, keys }),
  });
  const [entry] = proxy.serving.pool.entries;
  expect(entry?.health?.usage?.remainingShare).toBe(0.6);
  expect(entry?.state.cooldown?.reason).toBe('quota');
});
