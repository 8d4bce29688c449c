import { describe, expect, it } from 'vitest';
import { renderLogLine } from '../../src/cli/proxy/logs/line.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { COLORED, PLAIN, visible } from './fixture.ts';

const LINES = [
  '2026-11-20 12:00:00 +0000 kmi proxy 0.1.0 starts.',
  '2026-11-20 12:00:01 +0000 Point a client at it: kmi kimi, kmi run -- <command>, or eval "$(kmi env)"   Stop: Ctrl+C',
  '{"level":"info","ts":"2026-11-20 12:00:01 +0000","message":"The proxy serves.","url":"http://127.0.0.1:54123/kmi-rotor/v1","mode":"live","keys":3,"pid":4711}',
  '{"level":"warn","ts":"2026-11-20 12:03:09 +0000","message":"An answer broke off in the middle.","key_label":"ada","reason":"connection lost"}',
  'Error: a stack',
  '    at somewhere (file.ts:1:2)',
];

describe.each([
  ['plain', PLAIN],
  ['coloured', COLORED],
])('%s', (_name, style) => {
  it.each([60, 80, 120])('lines of the log are wrapped at blanks at %i columns', (width) => {
    const lines = LINES.flatMap((line) => renderLogLine(line, style, width));
    expect(visible(lines)).toMatchSnapshot();
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
  });
});

it('a pipe has no width to keep to', () => {
  expect(LINES.flatMap((line) => renderLogLine(line, PLAIN))).toHaveLength(LINES.length);
});

it('a JSON line is made readable, with colour for what matters; what a terminal would obey is shown instead', () => {
  const one = (text: string, style = PLAIN) => renderLogLine(text, style).join('\n');
  const line = (level: string) =>
    JSON.stringify({ level, ts: '2026-11-20 12:00:00 +0000', key_label: 'ada', keys: 3, message: 'Hi.' });
  expect(one(line('info'))).toBe('2026-11-20 12:00:00 +0000  info   Hi.  key_label=ada keys=3');
  expect(one(line('warn'), COLORED)).toContain(COLORED.warn('warn '));
  expect(one(line('error'), COLORED)).toContain(COLORED.bad('error'));
  const odd = JSON.stringify({ level: 'info', ts: 't', message: 'a\u001b[2J\nb', quote: 'x "y"', empty: '' });
  expect(one(odd)).toBe('t  info   a?[2J?b  quote="x \\"y\\"" empty=""');
  expect(one('{"level":"info"}')).toBe('{"level":"info"}');
  expect(one('{broken')).toBe('{broken');
  expect(one('tab\tand \u0007bell')).toBe('tab\tand ?bell');
});
