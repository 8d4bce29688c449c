import { describe, expect, it } from 'vitest';
import type { UsagesView } from '../../src/simulator/simulator.ts';
import { get, json, KEY, openSimulator } from './client.ts';

const NOW = Date.UTC(2026, 7, 10);
const RESET_5H = NOW + 3_600_000;
const RESET_7D = NOW + 86_400_000;

async function open(view: UsagesView) {
  const simulator = await openSimulator({
    clock: () => NOW,
    accounts: [
      {
        name: 'a',
        keys: [KEY],
        plan: 'LEVEL_ADVANCED',
        parallelLimit: 30,
        quota: {
          fiveHour: { limit: 100, used: 27, resetsAt: RESET_5H },
          weekly: { limit: 200, used: 200, resetsAt: RESET_7D },
          monthly: { limit: 1000, used: 0 },
        },
        behaviour: { usagesView: view },
      },
    ],
  });
  return { simulator, read: async () => json(await get(simulator, '/usages')) };
}

const USAGE = { limit: '200', used: '200', remaining: '0', resetTime: '2026-08-11T00:00:00.000605Z' };
const LIMIT = { limit: '100', used: '27', remaining: '73', resetTime: '2026-08-10T01:00:00.000605Z' };
const SPAN = { duration: 300, timeUnit: 'TIME_UNIT_MINUTE' };
const READINGS = {
  limit_5h: { used_ratio: 0.27, reset_time: '2026-08-10T01:00:00.000605123Z' },
  limit_7d: { used_ratio: 1, reset_time: '2026-08-11T00:00:00.000605123Z' },
  limit_month_total: { used_ratio: 0 },
  limit_month_code: { used_ratio: 0 },
};

describe('GET /usages', () => {
  it('states both views, the plan and the parallel limit by default', async () => {
    const { read } = await open('both');
    expect(await read()).toEqual({
      usage: USAGE,
      limits: [{ window: SPAN, detail: LIMIT }],
      usages: READINGS,
      parallel: { limit: '30' },
      totalQuota: { limit: '100', remaining: '99' },
      subType: 'TYPE_PURCHASE',
      user: { membership: { level: 'LEVEL_ADVANCED' } },
    });
  });

  it('has the classic view alone', async () => {
    const body = await (await open('classic')).read();
    expect(body).toMatchObject({ usage: USAGE, limits: [{ window: SPAN, detail: LIMIT }] });
    expect(body).not.toHaveProperty('usages');
  });

  it('has the new view alone, with limits that say nothing', async () => {
    const body = await (await open('new')).read();
    expect(body).not.toHaveProperty('usage');
    expect(body.limits).toEqual([{ window: SPAN, detail: { limit: '0', used: '0', remaining: '0' } }]);
    expect(body.usages).toEqual(READINGS);
  });

  it('can contradict itself: ratios at 0 beside windows in use', async () => {
    const body = await (await open('contradicting')).read();
    expect(body.usage).toEqual(USAGE);
    expect(body.usages.limit_7d.used_ratio).toBe(0);
    expect(body.usages.limit_5h.used_ratio).toBe(0);
  });

  it('can leave out zeros: `remaining` at 100 %, `used` at 0', async () => {
    const { simulator, read } = await open('sparse');
    simulator.account('a').setQuota({ fiveHour: { used: 0 } });
    const body = await read();
    expect(body.usage).toEqual({ limit: '200', used: '200', resetTime: USAGE.resetTime });
    expect(body.limits[0].detail).toEqual({ limit: '100', remaining: '100', resetTime: LIMIT.resetTime });
  });

  it('has the forms of older plans, for the tightest window', async () => {
    const { simulator, read } = await open('percent');
    simulator.account('a').setQuota({ weekly: null });
    expect(await read()).toEqual({ remaining_percent: 73, reset_in: 3600 });
    simulator.account('a').behave({ usagesView: 'remaining_total' });
    const flat = { remaining: '73', total: '100', reset_at: LIMIT.resetTime };
    expect(await read()).toEqual(flat);
    simulator.account('a').behave({ usagesView: 'nested' });
    expect(await read()).toEqual({ code: 0, data: flat });
  });

  it('states the wallet in hundred-millionths of the currency', async () => {
    const { simulator, read } = await open('both');
    simulator.account('a').setWallet({ cents: 20_000, currency: 'USD' });
    expect((await read()).boosterWallet).toMatchObject({
      balance: { type: 'BOOSTER', amountLeft: '20000000000', unit: 'UNIT_CURRENCY' },
      monthlyChargeLimit: { currency: 'USD' },
    });
  });

  it('fails by itself with any status and body', async () => {
    const { simulator } = await open('both');
    const account = simulator.account('a');
    account.behave({ usagesFault: { status: 503 } });
    expect((await get(simulator, '/usages')).status).toBe(503);
    account.behave({ usagesFault: { status: 200, body: '<html>maintenance</html>', contentType: 'text/html' } });
    const page = await get(simulator, '/usages');
    expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
      200,
      'text/html',
      '<html>maintenance</html>',
    ]);
    expect((await get(simulator, '/me')).status).toBe(200);
    account.behave({ usagesFault: null });
    expect((await get(simulator, '/usages')).status).toBe(200);
  });
});
