import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { type CurrentEntry, renderCurrent } from '../../src/cli/views/current/view.ts';
import { type HealthReport, renderHealth } from '../../src/cli/views/health/view.ts';
import { candidate, configOf, healthOf, LOOKS, mixedPool, NOW, PLAIN, visible, window } from './fixture.ts';

const report: HealthReport = {
  config: configOf({ dryRun: false }),
  now: NOW,
  candidates: mixedPool({ asked: true }),
  active: 'ada',
  today: new Map([
    ['ada', { requests: 21, tokens: { input: 1_048_576, cached: 1_020_000, output: 12_345, reasoning: 0 } }],
    ['ben', { requests: 1, tokens: { input: 0, cached: 0, output: 0, reasoning: 0 } }],
  ]),
  skipped: [{ file: '/home/kim/_auths/empty.env', reason: 'no_key', detail: 'The file has no KMI_API_KEY.' }],
};

const paths = [
  { client: 'kimi-cli', path: '/home/kim/.kimi/config.toml' },
  { client: 'kimi-code', path: '/home/kim/.kimi-code/config.toml' },
];
const [cli, code] = paths as [(typeof paths)[0], (typeof paths)[0]];
const entries: CurrentEntry[] = [
  {
    ...cli,
    kind: 'account',
    provider: 'managed:kimi-code',
    hasOauth: true,
    pooledAs: 'ada',
    candidate: { ...(report.candidates[0] as HealthReport['candidates'][0]) },
  },
  { ...code, kind: 'unusable', problem: 'The file names no Kimi provider.' },
];

const plain = (change: Partial<HealthReport> = {}) =>
  renderHealth({ ...report, ...change }, { columns: 80, style: PLAIN }).join('\n');

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('the health of a pool with every state', () => {
    expect(visible(renderHealth(report, { columns, style }))).toMatchSnapshot();
  });

  test("the accounts of the Kimi clients' own configs", () => {
    expect(visible(renderCurrent(entries, { config: report.config, now: NOW, paths }, { columns, style }))).toMatchSnapshot();
  });
});

test('no line is wider than the terminal', () => {
  for (const [, columns, style] of LOOKS) {
    for (const line of renderHealth(report, { columns, style })) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  }
});

test('keys that are blocked, empty or on cooldown are told apart, with the time they come back', () => {
  const shown = plain();
  expect(shown).toMatch(/ben +cooldown[\s\S]*quota used up, back in 35 min \(12:35\)/);
  expect(shown).toMatch(/cleo +blocked[\s\S]*key refused \(401\), until a recheck succeeds[\s\S]*asking failed: HTTP 401/);
  expect(shown).toMatch(/zoe +empty\n +no quota left, back in 1 h \(13:00\)/);
});

test('times follow the zone, which is named unless it is the local one', () => {
  const shown = plain({ config: configOf({ timezone: 'Asia/Tokyo' }) });
  expect(shown).toContain('back in 35 min (21:35)');
  expect(shown).toContain('Times are in Asia/Tokyo.');
  expect(plain({ config: configOf({ timezone: 'local' }) })).not.toContain('Times are in');
});

test('the auth file is named when asked for', () => {
  expect(plain({ config: configOf({ showSource: true }) })).toContain('/home/kim/_auths/ada.env');
  expect(plain()).not.toContain('/home/kim/_auths/ada.env');
});

test("the upstream's own words for a reset are kept", () => {
  const hinted = (resetHint: string) =>
    plain({ candidates: [candidate('ada', { health: healthOf([{ ...window('quota', 0.5), resetHint }]) })] });
  expect(hinted('tomorrow')).toMatch(/50 % left {2}resets tomorrow$/m);
  expect(hinted('resets in 9s')).toMatch(/50 % left {2}resets in 9s$/m);
});

test('a block from an older state file keeps its own reason', () => {
  const old = candidate('ada', { state: { block: { until: null, reason: 'manual hold' } } });
  expect(plain({ candidates: [old] })).toContain('blocked: manual hold, until a recheck succeeds');
});

test('a closed account does not wait for a recheck, which cannot unblock it', () => {
  const closed = candidate('ada', { state: { block: { until: null, reason: 'banned' }, errors401: 1 } });
  expect(plain({ candidates: [closed] })).toContain('account closed by Kimi, until you unblock it');
});

test('no view shows a key', () => {
  expect(plain({ config: configOf({ showSource: true }) })).not.toContain('sk-secret');
});

test('without any config the places looked at are named; one that goes through the proxy says so', () => {
  const show = (list: CurrentEntry[]) =>
    renderCurrent(list, { config: report.config, now: NOW, paths }, { columns: 80, style: PLAIN }).join('\n');
  expect(show([])).toMatch(/No Kimi client has a config here\.\n.*\.kimi\/config\.toml\n.*\.kimi-code/);
  expect(show([{ ...cli, kind: 'through_proxy' }])).toContain('goes through this proxy');
});

test('keys of one account say so, both of them, and the warning stands above', () => {
  const shown = plain();
  expect(shown).toMatch(/^7 keys, at most 6 accounts\.\nThe account of 4 keys is not known yet/m);
  expect(shown).toMatch(/> ada .*\n {4}one account with zoe: one quota, not several\n/);
  expect(shown).toMatch(/zoe .*\n {4}no quota left.*\n {4}one account with ada: one quota, not several\n/);
  expect(shown.match(/one account with/g)).toHaveLength(2);
  expect(shown.replace(/\s+/g, ' ')).toContain('Keys of one account: ada, zoe. A second key of an account adds nothing');
  expect(plain({ candidates: [candidate('ada')] })).not.toContain('account');
});

test('the tokens of today stand with the key that took them', () => {
  const shown = plain();
  expect(shown).toMatch(/^ {4}today +1\.05M tokens in \(97 % cached\), 12,345 out$/m);
  expect(shown.match(/today/g)).toHaveLength(1);
});

test('plain output is ASCII', () => {
  const ascii = /^[\n\u0020-\u007e]*$/;
  expect(plain({ candidates: report.candidates.filter(({ key }) => ascii.test(key.label)) })).toMatch(ascii);
});
