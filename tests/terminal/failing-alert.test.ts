import { expect, it } from 'vitest';
import { failingAlerts } from '../../src/cli/views/status/failing-alert.ts';
import type { Failure } from '../../src/core/verdicts/upstream-failure.ts';
import type { ProxyProbe } from '../../src/daemon/probe.ts';
import { configOf, HOUR, NOW } from './fixture.ts';

const failing = (requests: number, failure: Failure, { host = 'api.kimi.com' as string | null, since = NOW - 2 * HOUR } = {}) => {
  const about = {
    mode: 'live',
    requests: 9,
    rotation: null,
    upstream: null,
    failing: { requests, failure, host, since },
  } as const;
  const keys = { total: 1, ready: 1, cooldown: 0, out: 0 };
  const probe: ProxyProbe = { kind: 'running', pid: 1, version: '1', uptimeSeconds: 1, keys, about };
  return failingAlerts({ probe, now: NOW, config: configOf() }).map(({ text }) => text);
};

it.each<[Failure, string]>([
  [502, 'The last 3 requests failed: 502 from api.kimi.com, since 10:00.'],
  ['unreachable', 'The last 3 requests failed: api.kimi.com could not be reached, since 10:00.'],
  ['silent', 'The last 3 requests failed: no answer from api.kimi.com, since 10:00.'],
  ['broken-off', 'The last 3 requests failed: answers from api.kimi.com broke off, since 10:00.'],
])('an upstream that fails with %s is told of', (failure, text) => {
  expect(failing(3, failure)).toEqual([text]);
});

it('one failure may be chance, and a host that is not told is no host', () => {
  expect(failing(1, 500)).toEqual([]);
  expect(failing(2, 500, { host: null, since: NOW - 30 * HOUR })).toEqual([
    'The last 2 requests failed: 500 from the upstream, since 19 Nov 06:00.',
  ]);
});

it('nothing is said of a proxy that does not run, or is of an older version', () => {
  expect(failingAlerts({ probe: { kind: 'nothing' }, now: NOW, config: configOf() })).toEqual([]);
});
