import { expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/settings.ts';
import { startBinaryProxy } from '../support/proxy.ts';

/** The largest value of every setting that is a whole number, as its own words give it. */
function largest(): Record<string, string> {
  return Object.fromEntries(
    Object.values(SETTINGS).flatMap(({ variable, accepts }) => {
      const max = /^a whole number from \d+ to (\d+)$/.exec(accepts)?.[1];
      return max === undefined ? [] : [[variable, max]];
    }),
  );
}

it('no whole number is so large that a timer overflows: the proxy serves and Node does not warn', async () => {
  const settings = largest();
  expect(Object.keys(settings).length).toBeGreaterThan(10);
  const proxy = await startBinaryProxy({ accounts: ['a', 'b'], autoRotate: true, settings });
  expect((await proxy.chat()).status).toBe(200);
  expect((await proxy.chat({ stream: true })).status).toBe(200);
  expect(await proxy.kmi.stop()).toEqual({ code: 0, signal: null });
});
