import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { renderHome } from '../../src/cli/views/home/view.ts';
import type { StatusReport } from '../../src/cli/views/status/report.ts';
import { VERSION } from '../../src/version.ts';
import { candidate, configOf, HOUR, healthOf, LOOKS, NOW, PLAIN, visible, window } from './fixture.ts';

const quota = (fiveHours: number) => healthOf([window('5h limit', fiveHours, NOW + 2 * HOUR), window('7d limit', 0.96)]);

function report(change: Partial<StatusReport> = {}): StatusReport {
  return {
    config: configOf({ dryRun: false, autoRotateAllowed: true, rotateStrategy: 'sticky' }),
    now: NOW,
    probe: {
      kind: 'running',
      pid: 4711,
      version: VERSION,
      uptimeSeconds: 7_500,
      keys: { total: 2, ready: 2, cooldown: 0, out: 0 },
    },
    url: 'http://127.0.0.1:54123/kmi-rotor/v1',
    daemonLog: '/home/kim/.kimi/logs/proxy.out',
    candidates: [candidate('work', { health: quota(0.99) }), candidate('home', { health: quota(0.03) })],
    today: new Map([['work', 30]]),
    activeIndex: 0,
    next: 'work',
    state: {
      activeKey: null,
      rotationIndex: 0,
      autoRotate: true,
      strategy: null,
      lastHealthRefresh: null,
      sessionMoves: { count: 0, tokens: 0 },
    },
    folderExists: true,
    skipped: [],
    notUsed: [],
    ...change,
  };
}

const many = Array.from({ length: 9 }, (_, n) => candidate(`key-${n}`, { health: quota(0.5) }));
const troubles = report({
  candidates: [
    ...many,
    candidate('dead', { state: { errors401: 1 } }),
    candidate('closed', { state: { block: { until: null, reason: 'banned' } } }),
  ],
  notUsed: ['.env sets KMI_DRYRUN, which kmi does not know.', 'Another.'],
  probe: { kind: 'nothing' },
});

const text = (of: StatusReport) => renderHome(of, { columns: 80, style: PLAIN }).join('\n');

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('kmi alone', () => {
    const screens = [report(), report({ candidates: [] }), troubles].map((of) => renderHome(of, { columns, style }));
    expect(screens.map(visible).join('\n\n')).toMatchSnapshot();
    for (const lines of screens) {
      expect(lines.length).toBeLessThanOrEqual(columns < 80 ? 12 : 9);
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    }
  });
});

test('the next command fits what is there', () => {
  expect(text(report({ candidates: [], probe: { kind: 'nothing' } }))).toMatch(/^No keys yet\.\nNext {2}kmi up {2}/);
  expect(text(report({ probe: { kind: 'nothing' } }))).toMatch(/\nNext {2}kmi proxy {2}/);
  expect(text(report())).toMatch(/\nNext {2}kmi kimi {2}/);
  expect(text(report({ probe: { kind: 'stranger', answer: 'HTTP 200' } }))).toMatch(/\nNext {2}kmi doctor {2}/);
  const out = candidate('work', { state: { cooldown: { until: NOW + HOUR, reason: 'quota' } } });
  expect(text(report({ candidates: [out] }))).toMatch(
    /^! The only Kimi key has used up its quota[\s\S]*\nNext {2}kmi doctor {2}/,
  );
});

test('two alerts are shown with their first detail, the others counted', () => {
  expect(text(troubles)).toMatch(/^! Account closed by Kimi: closed\n! Key refused \(401\): dead\n {2}and 1 more: kmi status\n/);
  const one = text(report({ notUsed: ['.env sets KMI_DRYRUN, which kmi does not know.'] }));
  expect(one).toMatch(/^! Set for kmi but not used: \.env sets KMI_DRYRUN/);
});

test('colour only adds', () => {
  for (const [, columns, style] of LOOKS.filter(([name]) => name.endsWith('coloured'))) {
    const bare = renderHome(report(), { columns, style: { ...style, hasColor: false } }).map(stripVTControlCharacters);
    expect(bare.join('\n')).toContain('Next  kmi kimi  ');
  }
});
