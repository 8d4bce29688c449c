import { describe, expect, test } from 'vitest';
import { explainState, renderProxyFacts } from '../../src/cli/proxy/daemon-view.ts';
import { renderLogLine } from '../../src/cli/proxy/logs/line.ts';
import type { DaemonState } from '../../src/daemon/judge.ts';
import { COLORED, LOOKS, PLAIN, visible } from './fixture.ts';

const facts = {
  url: 'http://127.0.0.1:54123/kmi-rotor/v1',
  pid: 4711,
  log: '/home/kim/.kmi/logs/proxy.out',
  keys: { total: 3, ready: 2 },
  uptimeSeconds: null,
};

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('where the proxy is', () => {
    const running = { ...facts, keys: null, uptimeSeconds: 7384 };
    expect(visible(renderProxyFacts(facts, { columns, style }))).toMatchSnapshot();
    expect(visible(renderProxyFacts(running, { columns, style }))).toMatchSnapshot();
  });
});

const unproven = { kind: 'unproven', pid: 7, recorded: 8, version: '1.0.0', uptimeSeconds: 1 } as const;
const STATES: readonly Exclude<DaemonState, { kind: 'ours' }>[] = [
  { kind: 'stopped' },
  { kind: 'draining', pid: 7 },
  { kind: 'crashed', pid: 7 },
  { kind: 'elsewhere', pid: 7 },
  { ...unproven, doubt: 'other_pid' },
  { ...unproven, doubt: 'no_pid_file', recorded: null },
  { ...unproven, doubt: 'foreign' },
  { ...unproven, doubt: 'other_machine' },
  { kind: 'stranger', answer: 'HTTP 404' },
  { kind: 'silent', reason: 'no answer in time' },
];

test('every state has words of its own and a next step', () => {
  expect(STATES.map((state) => explainState(state, '127.0.0.1:54123'))).toMatchSnapshot();
  expect(new Set(STATES.map((state) => explainState(state, 'x').text)).size).toBe(STATES.length);
});

test('a JSON line of the log is made readable, with colour for what matters', () => {
  const line = (level: string) =>
    JSON.stringify({ level, ts: '2026-11-20 12:00:00 +0000', key_label: 'ada', keys: 3, message: 'Hi.' });
  expect(renderLogLine(line('info'), PLAIN)).toBe('2026-11-20 12:00:00 +0000  info   Hi.  key_label=ada keys=3');
  expect(renderLogLine(line('warn'), COLORED)).toContain(COLORED.warn('warn '));
  expect(renderLogLine(line('error'), COLORED)).toContain(COLORED.bad('error'));
  const odd = JSON.stringify({ level: 'info', ts: 't', message: 'a\u001b[2J\nb', quote: 'x "y"', empty: '' });
  expect(renderLogLine(odd, PLAIN)).toBe('t  info   a?[2J?b  quote="x \\"y\\"" empty=""');
  expect(renderLogLine('{"level":"info"}', PLAIN)).toBe('{"level":"info"}');
  expect(renderLogLine('{broken', PLAIN)).toBe('{broken');
  expect(renderLogLine('tab\tand \u0007bell', PLAIN)).toBe('tab\tand ?bell');
});
