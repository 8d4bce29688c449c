import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { withFixedValues } from '../../scripts/picture-values.ts';
import { renderScreen } from '../../scripts/screen-svg.ts';
import { parseScreen, replaceIn, type Screen, textOf } from '../../scripts/terminal-screen.ts';

const shown = (screen: Screen) => screen.map(textOf);
const MINUTE = Date.UTC(2026, 10, 30, 3, 21);

test('a capture is read with its styles, without the empty rows at its end', () => {
  const [first, ...others] = parseScreen('\u001b[1mkmi\u001b[0m\u001b[39m\u001b[49m \u001b[2;32mlive\n on\u001b[39m\n  \n\n');
  expect(textOf(first ?? [])).toBe('kmi live');
  expect(first?.[0]?.style).toMatchObject({ isBold: true, isDim: false, color: null });
  expect(first?.[3]?.style).toMatchObject({ isBold: false, isDim: false, color: null });
  expect(first?.[4]?.style).toMatchObject({ isBold: false, isDim: true, color: 32 });
  expect(others.map((row) => row.map(({ style }) => style.color))).toEqual([[32, 32, 32]]);
});

test.each([
  ['pid 31, up   │', 'pid 4242, up │', 'a longer text takes the blanks before the next column'],
  ['pid 31999, up  │', 'pid 4242, up   │', 'a shorter one leaves blanks there'],
  ['pid 31', 'pid 4242', 'at the end of a row nothing has to stay where it is'],
  ['pid 31, up │', 'pid 4242, up │', 'without blanks to spare the row grows, and no word is lost'],
])('%j becomes %j: %s', (before, after) => {
  expect(shown(replaceIn(parseScreen(before), /pid \d+/g, () => 'pid 4242'))).toEqual([after]);
});

test('what differs from one capture to the next is the same in the picture', () => {
  const capture = (port: number, time: string, back: string, took: string, id: string, home: string) =>
    parseScreen(
      [
        `address  http://127.0.0.1:${port}/kmi-rotor/v1     │`,
        `log      ${home}/.kmi/logs/proxy.out${' '.repeat(40 - home.length)}│`,
        `back in 1 h 20 min (${back})`,
        `${time}  200  ${took.padStart(7)}  work  ${id}  Fix`,
      ].join('\n'),
    );
  const one = withFixedValues(capture(40337, '03:21:12', '04:41', '3 ms', '6895f2e0', '/tmp/a/home'), {
    home: '/tmp/a/home',
    minute: MINUTE,
  });
  const other = withFixedValues(capture(45678, '17:02:59', '1 Dec 00:22', '1231 ms', 'ca5e79e1', '/var/tmp/bcd/home'), {
    home: '/var/tmp/bcd/home',
    minute: Date.UTC(2026, 10, 30, 23, 2),
  });
  expect(shown(one).slice(0, 2)).toEqual(shown(other).slice(0, 2));
  expect(shown(one).join('\n')).not.toMatch(/tmp|40337|6895f2e0|03:21/);
  expect(shown(one)[2]).toBe('back in 1 h 20 min (11:01)');
  expect(shown(other)[2]).toBe('back in 1 h 20 min (13 May 11:01)');
  expect(shown(one)[3]).toBe(shown(other)[3]);
});

test('each word of the screen stands in its column, and what would be markup is text', () => {
  const svg = renderScreen(parseScreen('  a<b  \u001b[32mok\u001b[39m'), { title: 'kmi "x"', columns: 40 });
  expect(svg).toContain('<text x="32.8" y="48" textLength="25.2">a&#60;b</text>');
  expect(svg).toContain('<text x="74.8" y="48" textLength="16.8" fill="#4ade80">ok</text>');
  expect(svg).toContain('kmi &#34;x&#34;');
});

test.each(['status', 'trace'])('the picture of kmi %s holds no key and no path or address of a machine', (name) => {
  const svg = readFileSync(resolve(import.meta.dirname, `../../docs/${name}.svg`), 'utf8');
  expect(svg).toContain(`$ kmi ${name}`);
  expect(svg).not.toMatch(/sk-|\/tmp|\/home\/|\/root|127\.0\.0\.1:(?!54123)/);
});
