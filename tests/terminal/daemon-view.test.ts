import { describe, expect, test } from 'vitest';
import { explainState, renderProxyFacts } from '../../src/cli/proxy/daemon-view.ts';
import type { DaemonState } from '../../src/daemon/judge.ts';
import { LOOKS, visible } from './fixture.ts';

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
