import { expect, test } from 'vitest';
import { judgeDaemon, type Recorded } from '../../src/daemon/judge.ts';
import type { ProxyProbe } from '../../src/daemon/probe.ts';

const running: ProxyProbe = {
  kind: 'running',
  pid: 10,
  version: '1.0.0',
  uptimeSeconds: 5,
  keys: { total: 1, ready: 1, cooldown: 0, out: 0 },
};
const recorded = (changes: Partial<Recorded> = {}): Recorded => ({
  pid: 10,
  aliveness: 'alive',
  commandLine: 'node cli.js proxy --foreground',
  isListener: true,
  isStopping: false,
  ...changes,
});

const SILENT: ProxyProbe = { kind: 'unreachable', reason: 'no answer in time' };
const STRANGER: ProxyProbe = { kind: 'stranger', answer: 'HTTP 200' };

test.each<[string, ProxyProbe, Recorded | null, Record<string, unknown>]>([
  ['pid file and /healthz agree', running, recorded(), { kind: 'ours', pid: 10 }],
  ['they agree, where no command line can be seen', running, recorded({ commandLine: null }), { kind: 'ours' }],
  ['there is no pid file', running, null, { kind: 'unproven', doubt: 'no_pid_file', recorded: null }],
  ['the pid file names another process', running, recorded({ pid: 11 }), { kind: 'unproven', doubt: 'other_pid', recorded: 11 }],
  ['the process is of another user', running, recorded({ aliveness: 'foreign' }), { kind: 'unproven', doubt: 'foreign' }],
  ['no such process lives here', running, recorded({ aliveness: 'gone' }), { kind: 'unproven', doubt: 'other_machine' }],
  [
    'the process of that number is another program',
    running,
    recorded({ commandLine: '/usr/bin/postgres' }),
    { kind: 'unproven', doubt: 'other_machine' },
  ],
  ['nothing at all', { kind: 'nothing' }, null, { kind: 'stopped' }],
  ['nothing listens and the process is gone', { kind: 'nothing' }, recorded({ aliveness: 'gone' }), { kind: 'crashed', pid: 10 }],
  ['nothing listens and the process lives', { kind: 'nothing' }, recorded(), { kind: 'elsewhere', pid: 10 }],
  ['nothing listens and it was told to stop', { kind: 'nothing' }, recorded({ isStopping: true }), { kind: 'draining', pid: 10 }],
  ['the port is held by a stranger', STRANGER, recorded(), { kind: 'stranger', answer: 'HTTP 200' }],
  ['nobody says anything', SILENT, recorded(), { kind: 'silent', reason: 'no answer in time' }],
])('%s', (_, probe, record, state) => {
  expect(judgeDaemon(probe, record)).toMatchObject(state);
});

test('only agreement of both, or a process told to stop before, may be signalled', () => {
  const probes: ProxyProbe[] = [running, { kind: 'nothing' }, STRANGER, SILENT];
  const records = [null, ...(['alive', 'foreign', 'gone'] as const).map((aliveness) => recorded({ pid: 11, aliveness }))];
  for (const probe of probes) {
    for (const record of records) expect(['ours', 'draining']).not.toContain(judgeDaemon(probe, record).kind);
  }
});
