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
  return renderTraceWindow(window, at, bare);
}

function windowOf(events: readonly TraceEvent[], windowSize?: number): TraceWindow {
  return addEvents(newWindow(windowSize), events, { asFresh: false });
}

describe.each(VARIANTS)('%s', (_name, { width, style }) => {
  it('shows served, failed-over and failed requests, new ones marked', () => {
    const window = addEvents(windowOf(mixed.slice(0, 8)), mixed.slice(8));
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style).join('\n')).toMatchSnapshot();
  });

  it('shows the tokens of requests that state them', () => {
    expect(renderTraceWindow(windowOf(counted), { columns: width, rows: 24 }, style).join('\n')).toMatchSnapshot();
  });

  it('shows the help', () => {
    const window = pressKey(windowOf(mixed), '?') as TraceWindow;
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style).join('\n')).toMatchSnapshot();
  });

  it('warns of an uneven full window, with a filter on', () => {
    const window = {
      ...windowOf(traceEvents(20, { key_label: 'ada' }).concat(traceEvents(4)), 20),
      filter: { key: 'ada', status: 'ok' },
    } as const;
    expect(renderTraceWindow(window, { columns: width, rows: 24 }, style).join('\n')).toMatchSnapshot();
  });
});

it('a window that has seen fewer requests than its size is warming up', () => {
  expect(shown(windowOf(traceEvents(34)))[0]).toBe('kmi trace  window 200  confidence 94 %  warming up 34/200');
  expect(shown(windowOf(traceEvents(240)))[0]).toBe('kmi trace  window 200  confidence 99 %');
});

it('confidence under 95 % is warned of, unless the requests only do not divide by the keys', () => {
  const uneven = traceEvents(100, { key_label: 'ada' }).concat(traceEvents(60, { key_label: 'ben' }));
  expect(shown(windowOf(uneven, 160))[0]).toBe('kmi trace  window 160  confidence 75 %  uneven: below 95 %');
  expect(shown(windowOf(traceEvents(4), 4))[0]).toBe('kmi trace  window 4  confidence 50 %');
});

it('confidence is taken over the window only, and over requests that got a key', () => {
  const events = [...traceEvents(90, { key_label: 'ada' }), ...traceEvents(30), ...traceEvents(5, { key_label: '' })];
  const lines = shown(windowOf(events, 30));
  expect(lines[0]).toContain('confidence 100 %');
  expect(lines.at(-2)).toBe('ada 10  ben 10  cleo 10');
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
  const keys = fc.array(fc.constantFrom('?', 'k', 's', 'p', 'c'), { maxLength: 4 });
  fc.assert(
    fc.property(size, fc.array(event, { maxLength: 40 }), keys, fc.boolean(), (at, specs, pressed, plain) => {
      let window = addEvents(
        newWindow(),
        specs.map(({ n, ...fields }) => traceEvent(n, fields)),
      );
      for (const key of pressed) window = pressKey(window, key) as TraceWindow;
      const lines = renderTraceWindow(window, at, createStyle({ color: false, plain }));
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

it('the cached share of the window stands in its title, and only where there are tokens', () => {
  const half = traceEvents(4, { input_tokens: 1000, cached_tokens: 500, output_tokens: 1 });
  expect(shown(windowOf([...traceEvents(3), ...half], 4))[0]).toMatch(
    /^kmi trace {2}window 4 {2}confidence \d+ % {2}cached 50 %/,
  );
  expect(shown(windowOf(traceEvents(4), 4))[0]).not.toContain('cached');
});

it('requests that stay with their session are not called uneven', () => {
  const title = shown(windowOf(traceEvents(40, { key_label: 'ada', choice: 'session' }).concat(traceEvents(1)), 40))[0];
  expect(title).toBe('kmi trace  window 40');
});

it.each([80, 120, 160])('at %d columns the tokens fit, and the title stands over them', (columns) => {
  const lines = shown(windowOf(counted), { columns, rows: 24 });
  expect(lines[1]).toMatch(columns === 80 ? /key +tokens +request +note/ : /key +tokens +out +endpoint +request +note/);
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
