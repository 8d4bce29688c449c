import { expect, it } from 'vitest';
import { accountsAsked } from '../support/accounts.ts';
import { eventually } from '../support/eventually.ts';
import { keyOf, startBinaryProxy, startTestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const WEIGHTS = { A: 100, B: 200, C: 500 };

/** Three accounts that weigh 1, 2 and 5. */
const OPTIONS: TestProxyOptions = {
  accounts: Object.keys(WEIGHTS),
  autoRotate: true,
  settings: { KMI_ROTATE_STRATEGY: 'weighted' },
  writeKeys: async (home) => {
    for (const [label, weight] of Object.entries(WEIGHTS)) await home.addKey({ label, key: keyOf(label), weight });
  },
};

const start = () => startTestProxy(OPTIONS);

function countOf(accounts: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const account of accounts) counts[account] = (counts[account] ?? 0) + 1;
  return counts;
}

it('serves 1, 2 and 5 of eight requests, also side by side, and next() says who is next', async () => {
  const proxy = await start();
  for (let n = 0; n < 8; n++) {
    const next = proxy.serving.pool.next()?.label;
    expect((await proxy.chat()).status).toBe(200);
    expect(accountsAsked(proxy).at(-1)).toBe(next);
  }
  expect(countOf(accountsAsked(proxy))).toEqual({ A: 1, B: 2, C: 5 });
  await Promise.all(Array.from({ length: 96 }, () => proxy.chat()));
  expect(countOf(accountsAsked(proxy))).toEqual({ A: 13, B: 26, C: 65 });
  const events = await proxy.trace(104);
  expect(new Set(events.map(({ choice }) => choice))).toEqual(new Set(['weighted']));
});

it('replaces a failing account within the request, and shares among the others while it is on cooldown', async () => {
  const proxy = await start();
  proxy.simulator.account('C').fail('quota_5h');
  for (let n = 0; n < 30; n++) expect((await proxy.chat()).status).toBe(200);
  const asked = accountsAsked(proxy);
  expect(countOf(asked)).toMatchObject({ C: 1 });
  const { A = 0, B = 0 } = countOf(asked);
  expect(A + B).toBe(30);
  expect(Math.abs(A - 10)).toBeLessThanOrEqual(1);
});

it('follows a changed weight while it runs', async () => {
  const proxy = await start();
  await proxy.home.addKey({ label: 'A', key: keyOf('A'), weight: 1000 });
  await eventually(() => proxy.serving.pool.entries.find(({ key }) => key.label === 'A')?.key.weight === 1000 || undefined);
  for (let n = 0; n < 17; n++) await proxy.chat();
  expect(countOf(accountsAsked(proxy))).toEqual({ A: 10, B: 2, C: 5 });
});

it('is chosen by command, and status, keys list, why and e2e say so', async () => {
  const { KMI_ROTATE_STRATEGY: _, ...settings } = OPTIONS.settings ?? {};
  const proxy = await startBinaryProxy({ ...OPTIONS, settings });
  const run = (...args: string[]) =>
    runKmi(args, { env: { ...proxy.home.env, KMI_DRY_RUN: '0', KMI_AUTO_ROTATE_ALLOWED: '1', KMI_AUTO_ROTATE_E2E: '0' } });
  const chosen = await run('rotate', 'auto', '--strategy', 'weighted');
  expect(chosen).toMatchObject({ code: 0 });
  expect(chosen.stdout).toMatch(
    /Auto-rotation is on \(weighted\)[\s\S]*Accounts take turns in proportion to their KMI_KEY_WEIGHT/,
  );
  // A running proxy follows a command within a second, and it is the one that knows who is next.
  let status = '';
  const look = async () => {
    status = (await run('status', '--all')).stdout;
    return status;
  };
  await expect.poll(look).toMatch(/mode +weighted \(chosen with .*\), next: C/s);
  expect(status).toMatch(/weights +A 100, B 200, C 500/);
  expect((await run('keys', 'list')).stdout).toMatch(/WEIGHT[\s\S]*C .* 500 /);
  const e2e = await run('e2e', '-n', '40', '--pause', '0');
  expect(e2e).toMatchObject({ code: 0 });
  expect(e2e.stdout).toMatch(/C +25 +62\.5 %[\s\S]*each account got the share its weight asks for/);
  expect((await run('why', 'last')).stdout).toContain('200, by weight, it was the turn of its account');
});
