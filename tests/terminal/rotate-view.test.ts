import { describe, expect, test } from 'vitest';
import { rotationMessages } from '../../src/cli/rotation/rotate/messages.ts';
import { type ConfigNote, type RotateReport, renderRemedy, renderRotate } from '../../src/cli/rotation/rotate/view.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import type { Config } from '../../src/config/settings.ts';
import type { Candidate } from '../../src/core/choosing/eligibility.ts';
import { type ManualReason, pickManual } from '../../src/core/choosing/manual-rotation.ts';
import type { Strategy } from '../../src/core/choosing/strategy.ts';
import { candidate, configOf, healthOf, LOOKS, mixedPool, NOW, PLAIN, visible, window } from './fixture.ts';

function rotated(
  candidates: Candidate[],
  previousIndex: number,
  settings: Partial<Config> = {},
  written: ConfigNote[] = [],
): RotateReport {
  const config = configOf({ dryRun: false, ...settings });
  const choice = pickManual(candidates, previousIndex, { now: NOW, rotateOnTie: config.rotateOnTie });
  return { config, now: NOW, candidates, choice, previousIndex, rotating: null, written };
}

const file = '/home/kim/.kimi/config.toml';
const wrote: ConfigNote = {
  client: 'kimi-cli',
  result: {
    kind: 'written',
    file,
    provider: 'managed:kimi-code',
    changed: ['api_key'],
    backup: `${file}.kmi-backup`,
    hasOauth: true,
  },
};

const quota = (label: string, share: number) => candidate(label, { health: healthOf([window('5h limit', share)]) });
const plain = (report: RotateReport) => renderRotate(report, { columns: 80, style: PLAIN }).join('\n');

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('a rotation away from a key on cooldown, with the config written', () => {
    expect(visible(renderRotate(rotated(mixedPool({ asked: true }), 1, {}, [wrote]), { columns, style }))).toMatchSnapshot();
  });

  test('the same in Russian', () => {
    const report = rotated(mixedPool({ asked: true }), 1, { locale: 'ru' }, [wrote]);
    expect(visible(renderRotate(report, { columns, style }))).toMatchSnapshot();
  });
});

test('no line is wider than the terminal', () => {
  for (const locale of ['en', 'ru'] as const) {
    for (const [, columns, style] of LOOKS) {
      const lines = renderRotate(rotated(mixedPool({ asked: true }), 1, { locale }), { columns, style });
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    }
  }
});

test('it says what changed and why', () => {
  expect(plain(rotated([quota('ada', 0.5), quota('ben', 0.8)], 0))).toMatch(
    /Active key: ada -> ben\nIt has more quota left: 80 %; ada has 50 %\./,
  );
  expect(plain(rotated([quota('ada', 0.5), quota('ben', 0.3)], 0))).toMatch(
    /Active key stays ada\.\nIt has more quota left: 50 %; ben has 30 %\./,
  );
  expect(plain(rotated([quota('ada', 1), quota('ben', 1)], 0))).toContain(
    '2 keys are equally good, so the next of them takes over.',
  );
  expect(plain(rotated([quota('ada', 1), quota('ben', 1)], 0, { rotateOnTie: false }))).toContain('KMI_ROTATE_ON_TIE=0 keeps');
  expect(plain(rotated([quota('ada', 1)], 0))).toContain('It is the only key that can serve now.');
});

test('a key that had to be replaced says why it cannot serve, and how many could take over', () => {
  const out = candidate('ada', { state: { cooldown: { until: NOW + 60_000, reason: 'rate' } } });
  expect(plain(rotated([out, quota('ben', 1), quota('cleo', 0.5)], 0)).replaceAll('\n', ' ')).toContain(
    'ada cannot serve now (rate limited, back in 1 min (12:01)); this is the best of the 2 keys that can.',
  );
  expect(plain(rotated([out, quota('ben', 1)], 0)).replaceAll('\n', ' ')).toContain('this is the only key that can.');
});

test('when no key can serve nothing changes, and the remedy names the first return', () => {
  const report = rotated([candidate('ada', { state: { cooldown: { until: NOW + 60_000, reason: 'rate' } } })], 0);
  expect(plain(report)).toContain('No key can serve now; the active key does not change.');
  expect(renderRemedy(report)).toBe(
    'The first is back in 1 min (12:01). Add a key to the auths folder, or see `kmi doctor` for what can be unblocked.',
  );
  expect(renderRemedy(rotated([candidate('ada', { disabled: true })], 0))).toMatch(/^Add a key/);
});

test('with auto-rotation on, it says when the choice counts', () => {
  const shown = (rotating: Strategy, locale: Config['locale'] = 'en') =>
    plain({ ...rotated([quota('ada', 1)], 0, { locale }), rotating });
  expect(shown('round-robin')).toContain('Round-robin is on: requests take turns');
  expect(shown('sticky').replace(/\s+/g, ' ')).toContain(
    'Auto-rotation is on (sticky): sessions stay with their accounts, and this choice applies after `kmi rotate off`.',
  );
  expect(shown('quota', 'ru')).toContain('Включена авторотация (quota)');
});

test.each([
  [{ kind: 'unchanged', file, provider: 'p', hasOauth: true }, /has this key already.*\n.*OAuth/],
  [{ kind: 'through_proxy', file, provider: 'p' }, /kimi-cli goes through the proxy/],
  [{ kind: 'left_alone', file, problem: 'The file is not UTF-8 text.' }, /was left alone: The file is not UTF-8 text\./],
] as const)('a config that was not written is told: %j', (result, words) => {
  expect(plain(rotated([quota('ada', 1)], 0, {}, [{ client: 'kimi-cli', result }]))).toMatch(words);
});

test('a client without a config is not mentioned', () => {
  const note: ConfigNote = { client: 'kimi-cli', result: { kind: 'missing', file } };
  expect(plain(rotated([quota('ada', 1)], 0, {}, [note]))).not.toContain('kimi-cli');
});

const REASONS: readonly ManualReason[] = [
  { kind: 'only_eligible' },
  { kind: 'tie_moved', tied: 3 },
  { kind: 'tie_stayed', tied: 21 },
  { kind: 'better_status', status: 'healthy', other: 'warn' },
  { kind: 'more_quota', share: 0.8, other: 0.2 },
  { kind: 'more_quota', share: 0.8, other: null },
  { kind: 'lower_error_rate', rate: 0.012, other: 0.5 },
];

test.each(['en', 'ru'] as const)('every reason has its words (%s)', (locale) => {
  expect(REASONS.map((reason) => rotationMessages(locale).because(reason, 'ben'))).toMatchSnapshot();
});

test.each([
  [2, '2 ключа'],
  [5, '5 ключей'],
  [11, '11 ключей'],
  [21, '21 ключ '],
  [22, '22 ключа'],
])('Russian counts %i as %s', (tied, words) => {
  expect(rotationMessages('ru').because({ kind: 'tie_moved', tied }, null)).toContain(words);
});
