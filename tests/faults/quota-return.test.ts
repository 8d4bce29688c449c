import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { soon } from '../support/soon.ts';
import { measured } from './form.ts';
import { type Installation, install } from './installation.ts';
import { readChat, sendChat } from './traffic.ts';

const RECHECK_S = 1;
/** A recheck, its ± 10 %, and the pause before a background call. */
const NOTICED_MS = RECHECK_S * 1100 + 250 + 400;
const chat = { protocol: 'openai', stream: false, mark: 'x' } as const;
const RESETS_IN_MS = 2 * 3_600_000;

/** Account `a`, the active one, has used up its five hours and was refused; `b` serves in its place. */
async function exhaust(): Promise<{ place: Installation; url: string; resetAt: number }> {
  const place = await install({ accounts: ['a', 'b'], settings: { KMI_USAGE_CACHE_SECONDS: String(RECHECK_S) } });
  const resetAt = Date.now() + RESETS_IN_MS;
  place.simulator.account('a').setQuota({ fiveHour: { limit: 100, used: 100, resetsAt: resetAt } });
  const { url } = await place.startProxy();
  // Both are asked in turn, whatever their readings say: only a refusal parks.
  await eventually(async () => {
    expect(readChat(await sendChat(url, chat), chat)).toMatchObject({ account: 'b' });
    place.simulator.account('b').fail('unavailable', { times: 1 });
    const state = await place.readState();
    return state.keys.a?.exhausted_until != null ? true : undefined;
  });
  return { place, url, resetAt };
}

/** How long it takes until `a` can serve again after something changed. */
async function returnsAfter(place: Installation): Promise<number> {
  const changedAt = performance.now();
  await place.state(({ keys }) => keys.a?.exhausted_until === null, 10_000);
  return performance.now() - changedAt;
}

/** Nobody else can serve. */
async function expectServes(place: Installation, url: string): Promise<void> {
  place.simulator.account('b').fail('unavailable');
  expect(readChat(await sendChat(url, chat), chat)).toMatchObject({ account: 'a' });
}

describe('an account refused for its quota', () => {
  it('is on cooldown until the reset that /usages states', async () => {
    const { place, resetAt } = await exhaust();
    const { keys } = await place.state((state) => Date.parse(state.keys.a?.exhausted_until ?? '') > Date.now() + 3_600_000);
    expect(keys.a).toMatchObject({ exhausted_reason: 'quota' });
    expect(Math.abs(Date.parse(keys.a?.exhausted_until as string) - resetAt)).toBeLessThanOrEqual(1000);
  });

  it('serves again within one recheck of an early reset', async () => {
    const { place, url } = await exhaust();
    await place.state((state) => Date.parse(state.keys.a?.exhausted_until ?? '') > Date.now() + 3_600_000);
    place.simulator.account('a').setQuota({ fiveHour: { used: 0 } });
    const tookMs = await returnsAfter(place);
    await expectServes(place, url);
    expect(tookMs).toBeLessThan(soon(NOTICED_MS));
    measured('right blame, early reset', { recheckMs: RECHECK_S * 1000, noticedMs: Math.round(tookMs) });
  });

  it('serves again within one recheck of a purchase', async () => {
    const { place, url } = await exhaust();
    await place.state((state) => Date.parse(state.keys.a?.exhausted_until ?? '') > Date.now() + 3_600_000);
    place.simulator.account('a').setWallet({ cents: 5_000 });
    const tookMs = await returnsAfter(place);
    await expectServes(place, url);
    expect(tookMs).toBeLessThan(soon(NOTICED_MS));
    measured('right blame, purchase', { recheckMs: RECHECK_S * 1000, noticedMs: Math.round(tookMs) });
  });
});
