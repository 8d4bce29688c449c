import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { sendChatAnswer, sendJson, startHttpUpstream } from '../support/http-upstream.ts';
import { keyOf, startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const EMPTY = {
  usage: { limit: '100', used: '100', resetTime: new Date(Date.now() + 7_200_000).toISOString() },
};
const LEFT = { usage: { limit: '100', used: '4', remaining: '96' } };
const NOTHING_USED = { usage: { limit: '100', used: '0', remaining: '100' } };

/** Account a is used up, b is not. `usages`: what a's readings say, which may change. */
async function usedUp(usages: { a: object }) {
  let isUsedUp = true;
  const upstream = await startHttpUpstream(
    (response, key) =>
      isUsedUp && key === keyOf('a')
        ? sendJson(response, 403, { error: { message: "You've reached your 5-hour usage limit", type: 'permission_error' } })
        : sendChatAnswer(response),
    (key) => (key === keyOf('a') ? usages.a : LEFT),
  );
  const proxy = await startBinaryProxy({
    accounts: ['a', 'b'],
    autoRotate: true,
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl },
  });
  await proxy.chat();
  const env = { ...proxy.home.env, KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_DRY_RUN: '0', KMI_WRITE_CONFIG: '0' };
  return {
    proxy,
    upstream,
    kmi: (...args: string[]) => runKmi(args, { env, cwd: proxy.home.root }),
    renew: () => {
      isUsedUp = false;
    },
  };
}

const hour = (state: { keys: Readonly<Record<string, { exhausted_until: string | null }>> }) =>
  Date.parse(state.keys.a?.exhausted_until ?? '') > Date.now() + 3_600_000;

describe('a used-up key that has quota again', () => {
  it.each([['doctor', '--recheck-keys'], ['health'], ['rotate'], ['keys', 'test', 'a']])(
    'is free after `kmi %s %s`, and the running proxy uses it',
    async (...args) => {
      const usages = { a: EMPTY as object };
      const { proxy, upstream, kmi, renew } = await usedUp(usages);
      await proxy.state(hour);
      usages.a = LEFT;
      renew();
      const { stdout } = await kmi(...args);
      if (args[0] === 'doctor') expect(stdout).toContain('Ended the cooldown of a: there is quota again.');
      await proxy.state(({ keys }) => keys.a?.exhausted_until === null);
      upstream.keys.length = 0;
      await eventually(async () => {
        const { keys } = (await (await fetch(`http://127.0.0.1:${proxy.port}/healthz`)).json()) as { keys: { ready: number } };
        return keys.ready === 2 ? true : undefined;
      });
      for (let n = 0; n < 2; n++) expect((await proxy.chat()).status).toBe(200);
      expect([...upstream.keys].sort()).toEqual([keyOf('a'), keyOf('b')]);
    },
  );

  it('is not free by a reading that says "nothing used", as it did right after the refusal', async () => {
    const { proxy, kmi } = await usedUp({ a: NOTHING_USED });
    await proxy.state(({ keys }) => (keys.a as { exhausted_end?: string } | undefined)?.exhausted_end === 'doubted');
    for (let n = 0; n < 2; n++) await kmi('health');
    await proxy.chat();
    const { keys } = await proxy.state();
    expect(keys.a).toMatchObject({ exhausted_reason: 'quota', error_403: 1 });
    expect(keys.a?.exhausted_until).not.toBeNull();
  });
});
