import { expect, it } from 'vitest';
import { createStyle } from '../../src/cli/ui/style.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { renderUsage } from '../../src/cli/views/usage/view.ts';
import { tokenText } from '../../src/cli/words/token-text.ts';
import type { UsageRow } from '../../src/core/tokens/usage-row.ts';
import { VARIANTS } from './view-variants.ts';

const SINCE = '2026-01-26';

function row(key: string, scale: number, fields: Partial<UsageRow> = {}): UsageRow {
  const tokens = { input: 1000 * scale, cached: 959 * scale, output: 41 * scale, reasoning: 7 * scale };
  return { day: '2026-02-02', key, account: 'u1', model: 'k3', session: '3f2a9c1d', requests: scale, tokens, ...fields };
}

const ROWS: readonly UsageRow[] = [
  row('ada', 1_000_000),
  row('a-key-with-quite-a-long-label-that-does-not-fit-the-table', 4321, { day: '2026-02-01', account: null, model: 'k3-256k' }),
  row('idle', 0, { requests: 3, session: null }),
];

for (const [name, { width, style }] of VARIANTS) {
  it(`tokens by key, account and day at ${name}`, () => {
    const views = (['key', 'account', 'day'] as const).map((by) =>
      renderUsage({ rows: ROWS, by, since: SINCE, until: null }, { columns: width, style }),
    );
    expect(views.map((lines) => lines.join('\n')).join('\n\n')).toMatchSnapshot();
    for (const line of views.flat()) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    if (style.isPlain) expect(views.flat().join('\n')).toMatch(/^[\n -~]*$/);
  });
}

const PLAIN = { columns: 80, style: createStyle({ color: false, plain: true }) };

it('of a thousand sessions the largest are shown, and the rest in one line', () => {
  const rows = Array.from({ length: 1000 }, (_, n) => row('ada', n + 1, { session: `s${n}` }));
  const lines = renderUsage({ rows, by: 'session', since: SINCE, until: null }, PLAIN);
  expect(lines).toHaveLength(2 + 1 + 40 + 1);
  expect(lines[3]).toMatch(/^s999 +1,000 +1\.00M/);
  expect(lines.at(-2)).toMatch(/^961 more +462k/);
  expect(lines.at(-1)).toMatch(/^total +501k +501M/);
});

it('a single group needs no total, and nothing counted is said in words', () => {
  expect(renderUsage({ rows: [row('ada', 1)], by: 'key', since: SINCE, until: null }, PLAIN)).toHaveLength(4);
  expect(renderUsage({ rows: [], by: 'key', since: SINCE, until: null }, PLAIN).join(' ')).toBe(
    'No tokens were counted since 2026-01-26. The proxy counts what passes through it.',
  );
});

it.each([
  [0, '0'],
  [999, '999'],
  [98_765, '98,765'],
  [99_999, '99,999'],
  [100_000, '100k'],
  [845_400, '845k'],
  [999_499, '999k'],
  [999_500, '1.00M'],
  [12_345_678, '12.3M'],
  [1_047_000_000, '1.05B'],
  [999_600_000_000, '1.00T'],
  [5_000_000_000_000_000, '5,000T'],
])('%d tokens are %s', (count, text) => {
  expect(tokenText(count)).toBe(text);
});

it('an account stands with the keys that were counted for it, most tokens first', () => {
  const rows = [
    row('spare', 1, { account: 'a1b2c3d4' }),
    row('work', 9, { account: 'a1b2c3d4' }),
    row('new', 2, { account: null }),
  ];
  const lines = renderUsage({ rows, by: 'account', since: SINCE, until: null }, PLAIN);
  expect(lines[3]).toMatch(/^a1b2c3d4 \(work, spare\) +10 /);
  expect(lines[4]).toMatch(/^not known \(new\) +2 /);
});
