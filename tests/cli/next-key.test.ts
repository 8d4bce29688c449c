import { expect, it } from 'vitest';
import { sendChatAnswer, startHttpUpstream } from '../support/http-upstream.ts';
import { keyOf, startBinaryProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

type Rotation = { readonly next: string | null; readonly next_without_session: string | null };

async function rotating(strategy: string | null) {
  const upstream = await startHttpUpstream((response) => sendChatAnswer(response));
  const proxy = await startBinaryProxy({
    accounts: ['a', 'b', 'c'],
    autoRotate: strategy !== null,
    settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl, ...(strategy === null ? {} : { KMI_ROTATE_STRATEGY: strategy }) },
  });
  const env = { ...proxy.home.env, KMI_UPSTREAM_BASE_URL: upstream.baseUrl, KMI_DRY_RUN: '0' };
  const kmi = async (...args: string[]) => (await runKmi(args, { env, cwd: proxy.home.root })).stdout;
  return {
    proxy,
    served: () => upstream.keys.at(-1),
    text: () => kmi('status', '--all'),
    rotation: async () => (JSON.parse(await kmi('status', '--json')) as { rotation: Rotation }).rotation,
  };
}

it.each(['round-robin', 'weighted', null])(
  'with %s `status --json` names the key that serves the next chat',
  async (strategy) => {
    const { proxy, served, rotation } = await rotating(strategy);
    for (let n = 0; n < 4; n++) {
      const { next, next_without_session: other } = await rotation();
      expect(other).toBe(next);
      await proxy.chat({ messages: [{ role: 'user', content: `chat ${n}` }] });
      expect(served()).toBe(keyOf(next as string));
    }
  },
);

it.each(['sticky', 'quota'])(
  'with %s it promises no key to a chat, which has a session, and names the one for requests without',
  async (strategy) => {
    const { proxy, served, rotation, text } = await rotating(strategy);
    for (let n = 0; n < 4; n++) {
      await proxy.chat({ messages: [{ role: 'user', content: `chat ${n}` }] });
      const { next, next_without_session: other } = await rotation();
      expect(next).toBeNull();
      expect(await text()).toContain(`account by account; next: ${other}`);
      await proxy.send('/models', { method: 'GET' });
      expect(served()).toBe(keyOf(other as string));
    }
  },
);
