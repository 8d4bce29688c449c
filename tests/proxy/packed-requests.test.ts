import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpackersFor } from '../../src/proxy/exchange/packed-text.ts';
import { accountsAsked, startAccountProxy } from '../support/accounts.ts';
import type { InProcessProxy } from '../support/proxy.ts';

const FOUR = ['A', 'B', 'C', 'D'].map((name) => ({ name }));
const ANSWER = '{"id":"x","model":"k3","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}';

/** Each account answers whatever it gets: the simulated API reads no compressed requests. */
async function start(strategy: string | null, settings: Record<string, string> = {}): Promise<InProcessProxy> {
  const proxy = await startAccountProxy({ accounts: FOUR, strategy, settings });
  for (const { name } of FOUR)
    proxy.simulator.account(name).respondWith({ headers: ['content-type', 'application/json'], chunks: [ANSWER] });
  return proxy;
}

type Pack = (text: Buffer) => Buffer;
const zstd = (zlib as { zstdCompressSync?: Pack }).zstdCompressSync;
const CODINGS: readonly (readonly [string, Pack])[] = [
  ['gzip', (text) => zlib.gzipSync(text)],
  ['X-GZIP', (text) => zlib.gzipSync(text)],
  ['br', (text) => zlib.brotliCompressSync(text)],
  ['deflate', (text) => zlib.deflateSync(text)],
  ['Deflate', (text) => zlib.deflateRawSync(text)],
  ['gzip, br', (text) => zlib.brotliCompressSync(zlib.gzipSync(text))],
  ['deflate, identity', (text) => zlib.deflateSync(text)],
  ['identity', (text) => text],
  // Only newer versions of Node have it.
  ...(zstd === undefined ? [] : [['zstd', zstd] as const]),
];

const send = (proxy: InProcessProxy, coding: string, body: Buffer, path = '/responses') =>
  proxy.send(path, { headers: { 'content-type': 'application/json', 'content-encoding': coding }, body });

const turn = (session: string, n: number, padding = '') =>
  Buffer.from(
    JSON.stringify({
      model: 'k3',
      input: Array.from({ length: n + 1 }, (_, at) => ({ role: 'user', content: `turn ${at} ${padding}` })),
      prompt_cache_key: session,
    }),
  );

describe.each(['sticky', 'quota'])('with %s', (strategy) => {
  it.each(CODINGS)(
    'a session named in a body packed as %s stays with its account, and the body goes on as it came',
    async (coding, pack) => {
      const proxy = await start(strategy);
      const homes = new Map<string, Set<string>>();
      for (let n = 0; n < 3; n++) {
        for (const session of ['s1', 's2', 's3', 's4', 's5', 's6', 's7', 's8']) {
          const body = pack(turn(session, n, n === 2 ? 'x'.repeat(100_000) : ''));
          expect((await send(proxy, coding, body)).status).toBe(200);
          const call = proxy.calls().at(-1);
          expect(call?.body.equals(body)).toBe(true);
          expect(call?.headers['content-encoding']).toBe(coding);
          homes.set(session, (homes.get(session) ?? new Set()).add(call?.account ?? '?'));
        }
      }
      expect([...homes.values()].map(({ size }) => size)).toEqual(Array(8).fill(1));
      expect(new Set(accountsAsked(proxy)).size).toBeGreaterThan(1);
    },
  );
});

it('the same session, packed or not, is one', async () => {
  const proxy = await start('sticky');
  await send(proxy, 'identity', turn('s', 0));
  for (const [coding, pack] of CODINGS) await send(proxy, coding, pack(turn('s', 1)));
  expect(new Set(accountsAsked(proxy)).size).toBe(1);
});

it('Anthropic requests too, by metadata.user_id', async () => {
  const proxy = await start('sticky');
  const body = (n: number) => ({
    model: 'k3',
    messages: Array.from({ length: n }, () => ({ role: 'user', content: `${n}` })),
    metadata: { user_id: 'user_1_account__session_6d2f1c1e-9a4b-4c0e-8d37-2f0a1b9c8e77' },
  });
  for (let n = 1; n < 6; n++) await send(proxy, 'gzip', zlib.gzipSync(JSON.stringify(body(n))), '/messages');
  expect(new Set(accountsAsked(proxy)).size).toBe(1);
});

it.each(['round-robin', 'sticky', null])(
  'a file that a packed body names is asked about where it is, with %s',
  async (strategy) => {
    const proxy = await startAccountProxy({ accounts: FOUR, strategy });
    const upload = await proxy.send('/files', { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x--' });
    const { id } = JSON.parse(upload.text) as { id: string };
    const home = accountsAsked(proxy).at(-1) as string;
    const from = proxy.calls().length;
    const body = zlib.gzipSync(JSON.stringify({ input: [{ role: 'user', content: [{ type: 'input_file', file_id: id }] }] }));
    for (let n = 0; n < 3; n++) await send(proxy, 'gzip', body);
    expect(accountsAsked(proxy, from)).toEqual([home, home, home]);
  },
);

it('without a strategy that asks for it, the trace is written from the text all the same', async () => {
  const proxy = await start('round-robin');
  for (const [coding, body] of [
    ['identity', turn('s', 2)],
    ['br', zlib.brotliCompressSync(turn('s', 2))],
  ] as const)
    await send(proxy, coding, body);
  const [plain, packed] = await proxy.trace(2);
  expect(plain?.session).toMatch(/./);
  expect([packed?.session, packed?.prompt_hint]).toEqual([plain?.session, plain?.prompt_hint]);
  expect(packed?.prompt_hint).toBe('turn 2');
  expect(new Set(accountsAsked(proxy)).size).toBe(2);
});

describe('a body that cannot be read', () => {
  const bomb = zlib.gzipSync(Buffer.alloc(64 * 1024 * 1024, '{"prompt_cache_key":"s","a":"'));
  it.each([
    ['gzip', Buffer.from('no gzip at all')],
    ['gzip', zlib.gzipSync(turn('s', 1)).subarray(0, 40)],
    ['gzip', Buffer.alloc(0)],
    ['br', zlib.gzipSync(turn('s', 1))],
    ['compress', turn('s', 1)],
    ['gzip,gzip,gzip,gzip', zlib.gzipSync(turn('s', 1))],
    ['gzip', bomb],
    ['gzip, gzip', zlib.gzipSync(bomb)],
  ])('in %s (%#) goes on as it came, with no session', async (coding, body) => {
    const proxy = await start('sticky');
    const answers = await Promise.all(Array.from({ length: 6 }, () => send(proxy, coding, body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200));
    for (const call of proxy.calls()) expect(call.body.equals(body)).toBe(true);
    expect((await proxy.trace(6)).map(({ session, prompt_hint }) => [session, prompt_hint])).toEqual(
      Array(6).fill([undefined, '']),
    );
  });
});

it.each([
  [null, null],
  ['', null],
  ['identity', null],
  [' Identity , identity', null],
  ['gzip', 1],
  ['gzip, identity, br', 2],
  ['x-unknown', 0],
  ['gzip, x-unknown', 0],
  ['gzip,br,gzip,br', 0],
])('content-encoding %j is undone in steps: %j', (value, steps) => {
  expect(unpackersFor(value)?.length ?? null).toBe(steps);
});
