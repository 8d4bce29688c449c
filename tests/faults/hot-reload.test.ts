import { open as openFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { keyOf } from '../support/proxy.ts';
import { soon } from '../support/soon.ts';
import { measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { readChat, sendChat } from './traffic.ts';

const STREAMS = 50;
const CHUNKS = 60;
const stream = { protocol: 'openai', stream: true, mark: 'a long stream' } as const;
const short = { protocol: 'openai', stream: false, mark: 'short' } as const;
/** The promise is a second; the short form runs beside other tests. */
const FOLLOWS_WITHIN_MS = sized(2_000, 1_000);

/** Which keys requests go out with now. */
async function keysInUse({ simulator }: Installation, url: string): Promise<Set<string>> {
  const from = simulator.received.length;
  for (let n = 0; n < 6; n++) await sendChat(url, short);
  return new Set(
    simulator.received
      .slice(from)
      .filter(({ path }) => !path.endsWith('/me'))
      .map(({ key }) => key as string),
  );
}

/** How long it takes until requests go out with exactly these keys. */
async function followsAfter(place: Installation, url: string, keys: readonly string[]): Promise<number> {
  const changedAt = performance.now();
  await eventually(async () => {
    const found = await keysInUse(place, url);
    expect([...found].sort()).toEqual([...keys].sort());
    return true;
  });
  return performance.now() - changedAt;
}

itSurvives(`keys are added, edited, disabled and removed while ${STREAMS} streams run`, 90_000, async (random) => {
  const place = await install({ accounts: ['a', 'b', 'c', 'd'] });
  const { home, simulator, startProxy } = place;
  await rm(join(home.authsDir, 'd.env'));
  const { url } = await startProxy();
  await followsAfter(place, url, ['a', 'b', 'c'].map(keyOf));
  for (const name of ['a', 'b', 'c']) simulator.account(name).behave({ chunks: CHUNKS, chunkPauseMs: 150 });
  const chats = () => simulator.received.filter(({ path }) => !path.endsWith('/me'));
  const before = chats().length;
  const streams = Array.from({ length: STREAMS }, () => sendChat(url, stream));
  await simulator.waitFor(() => chats().filter(({ status }, n) => n >= before && status === 200).length === STREAMS);
  const streamKeys = new Set(
    chats()
      .slice(before)
      .map(({ key }) => key),
  );
  expect(streamKeys).toEqual(new Set(['a', 'b', 'c'].map(keyOf)));
  for (const name of ['a', 'b', 'c']) simulator.account(name).behave({ chunks: 6, chunkPauseMs: 0 });

  const took: Record<string, number> = {};
  await home.addKey({ label: 'd', key: keyOf('d') });
  took.added = await followsAfter(place, url, ['a', 'b', 'c', 'd'].map(keyOf));
  await home.addKey({ label: 'a', key: keyOf('a'), disabled: true });
  took.disabled = await followsAfter(place, url, ['b', 'c', 'd'].map(keyOf));
  await rm(join(home.authsDir, 'b.env'));
  took.removed = await followsAfter(place, url, ['c', 'd'].map(keyOf));
  simulator.account('c').setKeys([keyOf('c'), 'sk-kimi-c-renewed-0123456789']);
  await home.addKey({ label: 'c', key: 'sk-kimi-c-renewed-0123456789' });
  took.edited = await followsAfter(place, url, [keyOf('d'), 'sk-kimi-c-renewed-0123456789']);

  // An editor that takes its time: no part of a key is ever used.
  const renewed = 'sk-kimi-d-renewed-9876543210';
  simulator.account('d').setKeys([keyOf('d'), renewed]);
  const asked = { isOver: false };
  const asking = (async () => {
    while (!asked.isOver) await sendChat(url, short);
  })();
  await writeSlowly(join(home.authsDir, 'd.env'), `KMI_KEY_LABEL=d\nKMI_API_KEY=${renewed}\n`, () => random.between(1, 6));
  took.writtenSlowly = await followsAfter(place, url, ['sk-kimi-c-renewed-0123456789', renewed]);
  asked.isOver = true;
  await asking;

  const known = new Set([...['a', 'b', 'c', 'd'].map(keyOf), 'sk-kimi-c-renewed-0123456789', renewed]);
  expect(simulator.received.map(({ key }) => key).filter((key) => key === null || !known.has(key))).toEqual([]);
  const answers = await Promise.all(streams);
  expect(answers.map((answer) => readChat(answer, stream, CHUNKS)).filter((reading) => 'problem' in reading)).toEqual([]);
  for (const [change, ms] of Object.entries(took))
    expect(ms, `${change}: ${JSON.stringify(took)}`).toBeLessThan(soon(FOLLOWS_WITHIN_MS));
  measured('hot reload', {
    streams: STREAMS,
    brokenStreams: 0,
    ...Object.fromEntries(Object.entries(took).map(([change, ms]) => [`${change}Ms`, Math.round(ms)])),
  });
});

/** A few letters at a time, half a poll of the watcher apart at most. */
async function writeSlowly(path: string, text: string, size: () => number): Promise<void> {
  const file = await openFile(path, 'w');
  for (let at = 0; at < text.length; ) {
    const length = size();
    await file.write(text.slice(at, at + length));
    at += length;
    await delay(120);
  }
  await file.close();
}
