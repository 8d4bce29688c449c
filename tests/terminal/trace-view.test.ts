import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStyle } from '../../src/cli/ui/style.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { renderTraceWindow } from '../../src/cli/views/trace/view.ts';
import { addEvents, newWindow, pressKey, type TraceWindow } from '../../src/cli/views/trace/window.ts';
import { noteOf } from '../../src/cli/words/trace-text.ts';
import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { traceEvent, traceEvents } from '../trace/event-fixture.ts';
import { VARIANTS } from './view-variants.ts';

const bare = createStyle({ color: false, plain: true });
const size = { columns: 80, rows: 24 };
/** A little after the events of the fixture. */
const NOW = Date.parse('2026-02-02T12:00:30+03:00');

const mixed: readonly TraceEvent[] = [
  ...traceEvents(6),
  traceEvent(6, { tried: [{ key_label: 'cleo', status: 429, verdict: 'quota' }], latency_ms: 12_340 }),
  traceEvent(7, { status: 503, error_code: 'no_eligible_key', key_label: '', key_hash: '', choice: null }),
  traceEvent(8, { status: 400, error_code: 400, endpoint: '/messages', prompt_hint: '请用一句话介绍一下你自己' }),
  traceEvent(9, { status: 499, error_code: 'client_left', latency_ms: 214_000, key_label: 'a-label-much-longer-than-others' }),
];

const counted: readonly TraceEvent[] = [
  traceEvent(0, { endpoint: '/models' }),
  traceEvent(1, { input_tokens: 845, cached_tokens: 0, output_tokens: 12 }),
  traceEvent(2, { input_tokens: 12_345, cached_tokens: 12_288, output_tokens: 1_050, session: '3f2a9c1d' }),
  traceEvent(3, { input_tokens: 1_048_576, cached_tokens: 1_048_576, output_tokens: 98_765 }),
  traceEvent(4, { output_tokens: 3, tried: [{ key_label: 'cleo', status: 429, verdict: 'quota' }] }),
];

function shown(window: TraceWindow, at = size): string[] {
  return renderTraceWindow(window, at, bare, NOW);
}

function windowOf(events: readonly TraceEvent[], windowSize?: number): TraceWindow {
  return addEvents(newWindow(windowSize), events, { asFresh: false });
}

describe.each(VARIANTS)('%s', (_name, { width, style }) => {
  it('shows served, failed-over and failed requests, new ones marked', () => {
    const window = addEvents(windowOf(mixed.slice(0, 8)), mixed.slice(8));
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style, NOW).join('\n')).toMatchSnapshot();
  });

  it('shows the tokens of requests that state them', () => {
    expect(renderTraceWindow(windowOf(counted), { columns: width, rows: 24 }, style, NOW).join('\n')).toMatchSnapshot();
  });

  it('shows the help', () => {
    const window = pressKey(windowOf(mixed), '?') as TraceWindow;
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style, NOW).join('\n')).toMatchSnapshot();
  });

  it('shows a selected request among those that pass a filter, and how it found its key', () => {
    let window: TraceWindow = { ...windowOf(mixed), filter: { key: 'ada', status: 'ok' } };
    for (const key of ['down', 'down']) window = pressKey(window, key) as TraceWindow;
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style, NOW).join('\n')).toMatchSnapshot();
    const why = pressKey(window, 'enter') as TraceWindow;
    expect(renderTraceWindow(why, { columns: width, rows: 24 }, style, NOW).join('\n')).toMatchSnapshot();
  });
});

it('the headline tells the last minute: requests, failures, failovers, cached share', () => {
  expect(shown(windowOf(mixed))[0]).toBe('kmi trace  last minute: 10 requests, 2 failed, 1 failover');
  expect(shown(windowOf(counted))[0]).toBe('kmi trace  last minute: 5 requests, 0 failed, 1 failover, cached 99 %');
  expect(renderTraceWindow(windowOf(mixed), size, bare, NOW + 400_000)[0]).toBe('kmi trace  last minute: no request');
  // A request counts when it ends: this one took three and a half minutes.
  expect(renderTraceWindow(windowOf([mixed[9] as TraceEvent]), size, bare, NOW + 214_000)[0]).toContain('1 request, 0 failed');
});

it('a client that left is no failure, a stream that broke is one', () => {
  const broken = traceEvent(3, { error_code: 'stream_broken' });
  expect(shown(windowOf([broken, traceEvent(4, { status: 499, error_code: 'client_left' })]))[0]).toContain(
    '2 requests, 1 failed',
  );
});

it('a pool that is not even, or a test of it, is no matter of the window', () => {
  for (const window of [windowOf(traceEvents(34)), windowOf(traceEvents(200, { key_label: 'ada' }))])
    expect(shown(window).join('\n')).not.toMatch(/confidence|uneven|warming|window \d/);
});

it('keys are counted over the newest requests that got a key', () => {
  const events = [...traceEvents(90, { key_label: 'ada' }), ...traceEvents(30), ...traceEvents(5, { key_label: '' })];
  expect(shown(windowOf(events, 30)).at(-2)).toBe('ada 10  ben 10  cleo 10');
});

it('a tall terminal is filled, and the selected request stays in sight', () => {
  const events = traceEvents(60);
  const timesIn = (window: TraceWindow) =>
    shown(window, { columns: 80, rows: 40 }).flatMap((line) => /^[> *] (\d\d:\d\d:\d\d)/.exec(line)?.[1] ?? []);
  expect(timesIn(windowOf(events))).toHaveLength(36);
  let window = windowOf(events);
  for (let n = 0; n < 50; n++) window = pressKey(window, 'down') as TraceWindow;
  expect(timesIn(window)).toHaveLength(36);
  expect(timesIn(window).at(-1)).toBe('12:00:10');
  expect(shown(window).find((line) => line.startsWith('*'))).toContain('12:00:10');
  const later = addEvents(window, [traceEvent(60)]);
  expect(shown(later).find((line) => line.startsWith('*'))).toContain('12:00:10');
  expect(shown(pressKey(window, 'home') as TraceWindow)[2]).toMatch(/^\* 12:00:59/);
  expect(timesIn(pressKey(window, 'end') as TraceWindow).at(-1)).toBe('12:00:00');
  expect((pressKey(pressKey(window, 'page up', 36) as TraceWindow, 'page down', 36) as TraceWindow).selected).toBe(
    window.selected,
  );
});

it('Escape goes back step by step: from a request, from the selection, from a filter', () => {
  let window = windowOf(traceEvents(9));
  for (const key of ['k', 'down', 'enter']) window = pressKey(window, key) as TraceWindow;
  const steps = [1, 2, 3].map(() => {
    window = pressKey(window, '\u001b') as TraceWindow;
    return [window.showsWhy, window.selected !== null, window.filter.key !== null];
  });
  expect(steps).toEqual([
    [false, true, true],
    [false, false, true],
    [false, false, false],
  ]);
});

it('a note is cut once', () => {
  for (const columns of [70, 74, 78, 82, 90]) {
    const lines = shown(windowOf([traceEvent(1)]), { columns, rows: 24 });
    expect(lines[2]).toMatch(/(\w)\.\.\.$/);
    expect(lines[2]).not.toMatch(/\.{4}|\s\.\.\.$/);
  }
});

it('many keys in the footer are summed up', () => {
  const many = Array.from({ length: 100 }, (_, n) => traceEvent(n, { key_label: `account-${n}` }));
  expect(shown(windowOf(many)).at(-2)).toMatch(/^account-0 1 {2}account-1 1 .* and \d+ more$/);
});

it('an escape sequence in the trace does not reach the terminal', () => {
  const hostile = { key_label: 'ada\u001b[2J', endpoint: '/\u001b]0;x\u0007', prompt_hint: '\u001b[31mred' };
  expect(shown(windowOf([traceEvent(1, hostile)]), { columns: 160, rows: 24 }).join('')).not.toMatch(/\p{Cc}/u);
});

it('no line is wider than the terminal and there are no more lines than rows, whatever they are', () => {
  const size = fc.record({ columns: fc.integer({ min: 30, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  const event = fc.record({
    n: fc.nat(9999),
    key_label: fc.string({ unit: 'grapheme', maxLength: 40 }),
    prompt_hint: fc.string({ unit: 'grapheme', maxLength: 60 }),
    endpoint: fc.string({ maxLength: 60 }),
  });
  const keys = fc.array(fc.constantFrom('?', 'k', 's', 'p', 'c', 'down', 'up', 'end', 'enter', 'page down'), { maxLength: 4 });
  fc.assert(
    fc.property(size, fc.array(event, { maxLength: 40 }), keys, fc.boolean(), (at, specs, pressed, plain) => {
      let window = addEvents(
        newWindow(),
        specs.map(({ n, ...fields }) => traceEvent(n, fields)),
      );
      for (const key of pressed) window = pressKey(window, key) as TraceWindow;
      const lines = renderTraceWindow(window, at, createStyle({ color: false, plain }), NOW);
      expect(lines.length).toBeLessThanOrEqual(at.rows);
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(at.columns);
    }),
    { numRuns: 300 },
  );
});

it('a paused window keeps what comes and shows it when it goes on', () => {
  const paused = pressKey(windowOf(traceEvents(3)), 'p') as TraceWindow;
  const later = addEvents(addEvents(paused, [traceEvent(3)]), [traceEvent(4)]);
  expect(shown(later)[0]).toContain('paused, 2 new');
  expect(shown(later).join('\n')).not.toContain('12:00:04');
  const again = pressKey(later, 'p') as TraceWindow;
  expect(
    shown(again)
      .slice(2, 4)
      .map((line) => line.slice(0, 10)),
  ).toEqual(['> 12:00:04', '> 12:00:03']);
});

it('the key filter goes through the keys seen and back to all', () => {
  let window = windowOf(traceEvents(3));
  const filters = [1, 2, 3, 4].map(() => {
    window = pressKey(window, 'k') as TraceWindow;
    return window.filter.key;
  });
  expect(filters).toEqual(['ada', 'ben', 'cleo', null]);
});

it.each([80, 120, 160])('at %d columns the tokens fit, and the title stands over them', (columns) => {
  const lines = shown(windowOf(counted), { columns, rows: 24 });
  expect(lines[1]).toMatch(columns === 80 ? /KEY +TOKENS +REQUEST +NOTE/ : /KEY +TOKENS +OUT +ENDPOINT +REQUEST +NOTE/);
  expect(lines.find((line) => line.includes('12:00:02'))).toMatch(
    columns === 80 ? / 12\.3k\/99% {2}/ : / 12\.3k\/99% {2}1\.05k {2}/,
  );
  expect(lines.find((line) => line.includes('12:00:03'))).toContain(' 1.05M/100% ');
});

it('says of a key that gave no answer that it gave none', () => {
  const tried = [
    { key_label: 'cleo', status: null, verdict: 'broken' },
    { key_label: 'dora', status: 502, verdict: 'broken' },
  ];
  expect(noteOf(traceEvent(0, { tried, prompt_hint: '' }))).toBe('after cleo (no answer), after dora 502');
});
