import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

it('status says since when the upstream fails every request, and stops saying it once one is served', async () => {
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'] });
  const env = { ...proxy.home.env, KMI_TIMEZONE: 'UTC', COLUMNS: '300' };
  const status = async (...options: string[]) =>
    (await runKmi(['status', ...options], { env, cwd: proxy.home.root })).stdout.replace(/[\s│╭╮╰╯─]+/g, ' ');
  const host = new URL(proxy.simulator.baseUrl).host;
  for (const name of ['a', 'b']) proxy.simulator.account(name).respondWith({ status: 502, chunks: ['Bad gateway'] });

  expect((await proxy.chat()).status).toBe(502);
  expect(await status()).not.toContain('requests failed');
  for (let n = 0; n < 2; n++) await proxy.chat();
  await eventually(async () => {
    expect(await status()).toMatch(
      new RegExp(`! The last 3 requests failed: 502 from ${host}, since \\d\\d:\\d\\d\\. .kmi why last. shows`),
    );
    return true;
  });
  expect(JSON.parse(await status('--json')).proxy.failing).toMatchObject({ requests: 3, failure: 502, host });

  for (const name of ['a', 'b']) proxy.simulator.account(name).heal();
  expect((await proxy.chat()).status).toBe(200);
  await eventually(async () => {
    expect(await status()).not.toContain('requests failed');
    return true;
  });
});
