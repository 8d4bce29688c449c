import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { type Happening, happeningOf, happeningsBetween, type Scene } from '../../src/cli/views/watch/happening.ts';
import { wordsOf } from '../../src/cli/views/watch/happening-words.ts';
import { newScreen, type Picture, pressKey, type WatchScreen, withPicture } from '../../src/cli/views/watch/screen.ts';
import { verdictOf } from '../../src/cli/views/watch/verdict.ts';
import { renderWatch } from '../../src/cli/views/watch/view.ts';
import type { Candidate } from '../../src/core/choosing/eligibility.ts';
import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { traceEvent, traceEvents } from '../trace/event-fixture.ts';
import { account, candidate, HOUR, healthOf, mixedPool, NOW, PLAIN, visible, window } from './fixture.ts';
import { VARIANTS } from './view-variants.ts';

const stamp = (second: number) => ({ ts: `2026-11-20 11:59:${String(second).padStart(2, '0')} +0000` });
const REQUESTS: readonly TraceEvent[] = [
  ...[1, 2, 3].map((n) => traceEvent(n, stamp(n))),
  traceEvent(4, { ...stamp(4), tried: [{ key_label: 'ben', status: 429, verdict: 'quota' }] }),
  traceEvent(5, { ...stamp(5), error_code: 'stream_broken', input_tokens: 12_345, cached_tokens: 12_000, output_tokens: 9 }),
  traceEvent(6, { ...stamp(6), status: 503, error_code: 'no_eligible_key', key_label: '' }),
];

const HAPPENINGS: readonly Happening[] = [
  ...REQUESTS.flatMap((event) => happeningOf(event) ?? []),
  { at: NOW - 9000, kind: 'out', key: 'ben', reason: 'quota', until: NOW + 35 * 60_000 },
  { at: NOW - 8000, kind: 'restarted', pid: 4711 },
];

function picture(more: Partial<Picture> = {}): Picture {
  return {
    now: NOW,
    zone: 'UTC',
    mode: 'live',
    candidates: mixedPool({ asked: true }),
    active: 'ada',
    rotation: 'sticky',
    pid: 4711,
    proxy: { is: 'running', pid: 4711, startedAt: NOW - 2 * HOUR },
    requests: REQUESTS,
    fresh: new Set([REQUESTS[5] as TraceEvent]),
    happenings: HAPPENINGS,
    ...more,
  };
}

const trio = (states: readonly Partial<Candidate['state']>[]) =>
  states.map((state, n) => candidate(['ada', 'ben', 'work'][n] as string, { state }));
const cooldown = (until: number, reason: 'quota' | 'upstream' = 'quota') => ({ cooldown: { until, reason } });

function press(screen: WatchScreen, ...keys: string[]): WatchScreen {
  return keys.reduce((now, key) => pressKey(now, key).screen, screen);
}

describe.each(VARIANTS)('%s', (_name, { width, style }) => {
  const draw = (screen: WatchScreen, rows = 30) => visible(renderWatch(screen, { columns: width, rows }, style));

  it('shows who can serve, what is left, requests and happenings', () => {
    expect(draw(press(newScreen(picture()), 'down', 'down'))).toMatchSnapshot();
  });

  it('shows a quiet manual proxy', () => {
    const health = healthOf([window('5h limit', 0.62, NOW + 2 * HOUR), window('7d limit', 0.5, NOW + 76 * HOUR)]);
    const quiet = {
      candidates: [candidate('ada', { health }), candidate('ben')],
      requests: [],
      happenings: [],
      fresh: new Set<TraceEvent>(),
    };
    expect(draw(newScreen(picture({ ...quiet, rotation: null })), 16)).toMatchSnapshot();
  });

  it('shows that no proxy runs', () => {
    expect(
      draw(newScreen(picture({ proxy: { is: 'nothing' }, pid: null, candidates: trio([{}, {}, {}]) })), 18),
    ).toMatchSnapshot();
  });

  it('shows the help', () => {
    expect(draw(press(newScreen(picture()), '?'), 24)).toMatchSnapshot();
  });
});

describe('the verdict', () => {
  const minutes = (n: number) => NOW + n * 60_000;
  it.each<[string, readonly Candidate[], string]>([
    ['all keys', trio([{}, {}, {}]), 'All 3 keys can serve'],
    ['all accounts', trio([account('a1'), account('b2'), account('c3')]), 'All 3 accounts can serve'],
    ['one of three', trio([cooldown(minutes(488)), {}, cooldown(minutes(9))]), '1 of 3 keys can serve; work is back at 12:09'],
    [
      'an account with a second key that can',
      trio([{ ...account('a1'), ...cooldown(minutes(9)) }, account('a1'), account('b2')]),
      'Both accounts can serve',
    ],
    [
      'none',
      trio([cooldown(minutes(30)), cooldown(minutes(9)), cooldown(minutes(20))]),
      'No key can serve; ben is back at 12:09',
    ],
    [
      'none before tomorrow',
      [candidate('ada', { state: cooldown(NOW + 30 * HOUR) })],
      'No key can serve; ada is back at 21 Nov 18:00',
    ],
    ['a reserve', trio([cooldown(minutes(1), 'upstream')]), 'No key is ready; requests are still tried with ada'],
    ['a refused key', trio([{}, { errors401: 1 }]), '1 of 2 keys can serve; ben: key refused (401)'],
    [
      'an unpaid one',
      trio([{}, { block: { until: minutes(31), reason: 'payment_required' } }]),
      '1 of 2 keys can serve; ben is tried again at 12:31',
    ],
    [
      'an empty reading',
      [candidate('ada'), candidate('ben', { health: healthOf([window('5h limit', 0, minutes(90))]) })],
      '1 of 2 keys can serve; ben is back at 13:30',
    ],
    ['one key', [candidate('ada')], 'ada can serve'],
    ['disabled ones beside', [candidate('ada'), candidate('ben', { disabled: true })], 'ada can serve'],
    [
      'only disabled ones',
      [candidate('ada', { disabled: true }), candidate('ben', { disabled: true })],
      'Both keys are disabled; `kmi keys enable` enables keys',
    ],
    ['none at all', [], 'There are no keys; `kmi login` or `kmi keys add` adds one'],
  ])('of %s', (_name, candidates, text) => expect(verdictOf(candidates, NOW, 'UTC').text).toBe(text));
});

describe('what happened', () => {
  const scene = (candidates: readonly Candidate[], more: Partial<Scene> = {}): Scene => ({
    now: NOW,
    candidates,
    active: 'ada',
    rotation: null,
    pid: 1,
    ...more,
  });
  const told = (before: Scene, after: Scene) =>
    happeningsBetween(before, after).map((event) => wordsOf(event, 'UTC', PLAIN).text);
  const ready = trio([{}, {}]);

  it.each<[string, Scene, Scene, readonly string[]]>([
    ['nothing', scene(ready), scene(trio([{ requests: 9 }, {}]), { now: NOW + 5000 }), []],
    ['a cooldown', scene(ready), scene(trio([cooldown(NOW + HOUR), {}])), ['ada: quota used up, until 13:00']],
    [
      'a cooldown that is over',
      scene(trio([cooldown(NOW + HOUR)])),
      scene(trio([cooldown(NOW + HOUR)]), { now: NOW + HOUR }),
      ['ada can serve again'],
    ],
    ['a longer one', scene(trio([cooldown(NOW + HOUR)])), scene(trio([cooldown(NOW + 2 * HOUR)])), []],
    [
      'a block after a cooldown',
      scene(trio([cooldown(NOW + HOUR)])),
      scene(trio([{ errors401: 1 }])),
      ['ada: key refused (401)'],
    ],
    ['another active key', scene(ready), scene(ready, { active: 'ben' }), ['ben is the active key']],
    ['auto-rotation', scene(ready), scene(ready, { rotation: 'sticky' }), ['auto-rotation is on: sticky']],
    ['its end', scene(ready, { rotation: 'sticky' }), scene(ready), ['auto-rotation is off']],
    ['a restart', scene(ready), scene(ready, { pid: 2 }), ['the proxy restarted (pid 2)']],
    ['a stop', scene(ready), scene(ready, { pid: null }), ['the proxy stopped']],
    ['a start', scene(ready, { pid: null }), scene(ready, { pid: 2 }), ['the proxy started (pid 2)']],
    ['a key that came and one that went', scene(trio([{}])), scene([candidate('zoe')]), ['ada is gone', 'zoe is a new key']],
  ])('%s', (_name, before, after, words) => expect(told(before, after)).toEqual(words));

  it('to requests: failovers, broken streams and those that no key could serve', () => {
    expect(HAPPENINGS.slice(0, 3).map((event) => wordsOf(event, 'UTC', PLAIN).text)).toEqual([
      'ben: its quota is used up (429); ben served the request',
      'an answer of cleo broke off',
      'no key could serve a request: the client got 503',
    ]);
    expect(happeningOf(traceEvent(1))).toBeNull();
  });

  it('say "no answer" of a key that gave none', () => {
    const event = happeningOf(traceEvent(1, { tried: [{ key_label: 'ben', status: null, verdict: 'broken' }] })) as Happening;
    expect(wordsOf(event, 'UTC', PLAIN).text).toContain('ben: the upstream failed or could not be reached (no answer); ');
    const refused = happeningOf(traceEvent(1, { tried: [{ key_label: 'ben', status: 401, verdict: 'bad-key' }] })) as Happening;
    expect(wordsOf(refused, 'UTC', PLAIN).text).toContain('ben: the key was refused (401); ');
  });

  it('cannot drive the terminal', () => {
    const event = happeningOf(
      traceEvent(1, { tried: [{ key_label: 'a\u001b[2J', status: 500, verdict: 'broken' }] }),
    ) as Happening;
    expect(wordsOf(event, 'UTC', PLAIN).text).not.toMatch(/\p{Cc}/u);
  });
});

describe('keys', () => {
  it('act on the selected key only, and say so', () => {
    const screen = newScreen(picture());
    expect(pressKey(screen, 'f')).toMatchObject({ action: null, screen: { message: 'Select a key first, with up and down.' } });
    expect(pressKey(press(screen, 'down', 'down'), 'f').action).toEqual({ kind: 'free', label: 'ben' });
    expect(pressKey(press(screen, 'down'), 'enter').action).toEqual({ kind: 'use', label: 'ada' });
    expect(pressKey(press(screen, 'up'), 'n').action).toEqual({ kind: 'use', label: 'zoe' });
    expect(pressKey(press(screen, 'down', '\u001b'), 'n').action).toBeNull();
    expect(pressKey(press(screen, 'home', 'up'), 'q').action).toEqual({ kind: 'quit' });
  });

  it('a paused picture stays, counts what it leaves out, and goes on with it', () => {
    const paused = press(newScreen(picture()), 'p');
    const later = withPicture(paused, picture({ now: NOW + 20_000, requests: [...REQUESTS, ...traceEvents(2, stamp(30))] }));
    const shown = renderWatch(later, { columns: 120, rows: 30 }, PLAIN);
    expect(shown[1]).toContain('paused 20 s ago, 2 new');
    expect(shown.join('\n')).not.toContain('11:59:30');
    expect(renderWatch(press(later, 'p'), { columns: 120, rows: 30 }, PLAIN).join('\n')).toContain('11:59:30');
  });

  it('a selected key that is gone is selected no longer', () => {
    expect(withPicture(press(newScreen(picture()), 'down'), picture({ candidates: trio([]) })).selected).toBeNull();
  });
});

it('of many keys those around the selected one are shown', () => {
  const candidates = Array.from({ length: 100 }, (_, n) => candidate(`key-${n}`));
  const screen = press(newScreen(picture({ candidates })), ...Array.from({ length: 50 }, () => 'down'));
  const lines = renderWatch(screen, { columns: 80, rows: 24 }, PLAIN);
  expect(lines.find((line) => line.startsWith('*'))).toContain('key-49');
  expect(lines.join('\n')).toMatch(/and 9\d more/);
});

it('no line is wider than the terminal and there are no more lines than rows, whatever they are', () => {
  const size = fc.record({ columns: fc.integer({ min: 30, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  const keys = fc.array(fc.constantFrom('?', 'p', 'down', 'up', 'end', 'f', 'n'), { maxLength: 6 });
  const pools = fc.constantFrom(mixedPool({ asked: true }), mixedPool({ asked: false }), [], trio([{}, {}, {}]));
  const proxies = fc.constantFrom<Picture['proxy']>(
    { is: 'nothing' },
    { is: 'unknown', pid: null, why: 'another program answers at its address (HTTP 200)' },
    { is: 'running', pid: 1, startedAt: null },
  );
  fc.assert(
    fc.property(size, keys, pools, proxies, fc.nat(40), (at, pressed, candidates, proxy, count) => {
      const requests = traceEvents(count, stamp(1));
      const screen = press(newScreen(picture({ candidates, proxy, requests })), ...pressed);
      const lines = renderWatch(screen, at, PLAIN);
      expect(lines.length).toBeLessThanOrEqual(at.rows);
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(at.columns);
    }),
    { numRuns: 300 },
  );
});
