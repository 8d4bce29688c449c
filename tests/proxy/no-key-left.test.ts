import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/simulator/simulator.ts';
import { startTestProxy } from '../support/proxy.ts';

const NOW = Date.UTC(2026, 10, 29, 17, 8);
const clock = () => NOW;
const later = (hours: number) => new Date(NOW + hours * 3_600_000).toISOString();
const messageIn = (text: string) => (JSON.parse(text) as { error: { message: string } }).error.message;
const stateOf = (keys: object, rest = '') => `{"schema_version":1${rest},"keys":${JSON.stringify(keys)}}`;
const usedUp = (hours: number) => ({ exhausted_until: later(hours), exhausted_reason: 'quota' });

describe('the message at the client when no key can serve', () => {
  it.each([
    ['manual mode', ''],
    ['sticky', ',"auto_rotate":true,"rotation_strategy":"sticky"'],
    ['round-robin', ',"auto_rotate":true,"rotation_strategy":"round-robin"'],
  ])('says in plain words what is the matter and when it ends: %s', async (_, rotation) => {
    const state = stateOf({ a: usedUp(27), b: usedUp(99), c: usedUp(50), d: usedUp(60) }, rotation);
    const proxy = await startTestProxy({
      accounts: ['a', 'b', 'c', 'd'],
      state,
      app: { clock },
      settings: { KMI_TIMEZONE: '+00:00', KMI_AUTO_ROTATE_ALLOWED: '1' },
    });
    for (const path of ['/chat/completions', '/messages']) {
      const answer = await proxy.send(path, { body: '{"messages":[]}', headers: { 'content-type': 'application/json' } });
      expect(answer.status).toBe(503);
      expect(messageIn(answer.text)).toBe(
        'All 4 Kimi keys have used up their quota. The first is back at 20:08 on 30 Nov (in 1 d 3 h). `kmi status` shows them.',
      );
    }
    expect(proxy.calls()).toHaveLength(0);
  });

  it('counts the causes in plain words', async () => {
    const blocked = { blocked_until: null, blocked_reason: 'auth' };
    const rate = { exhausted_until: later(0.002), exhausted_reason: 'rate' };
    const state = stateOf({ a: usedUp(2), b: blocked, c: usedUp(2), d: rate });
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c', 'd'], state, app: { clock } });
    const { text, status } = await proxy.chat();
    expect(messageIn(text)).toMatch(
      /^None of the 4 Kimi keys can serve: 2 used up, 1 refused, 1 rate-limited\. The first is back in \d s\./,
    );
    expect([status, JSON.parse(text).error.code]).toEqual([503, 'no_eligible_key']);
  });

  it.each(['0', '1'])('says of disabled keys that they are, with KMI_DRY_RUN=%s', async (dryRun) => {
    const proxy = await startTestProxy({
      settings: { KMI_DRY_RUN: dryRun },
      writeKeys: async (home) => {
        for (const label of ['a', 'b', 'c']) await home.addKey({ label, disabled: true });
      },
    });
    const { status, text } = await proxy.chat();
    expect([status, messageIn(text)]).toEqual([503, 'All 3 Kimi keys are disabled. Enable one with `kmi keys enable`.']);
  });

  it('says of keys at their own rate limit when one is free again', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_MAX_RPM_PER_KEY: '1' } });
    await proxy.chat();
    await proxy.chat();
    const { status, text } = await proxy.chat();
    expect(status).toBe(429);
    expect(messageIn(text)).toMatch(/^Both Kimi keys are at their own rate limit\. The first is back (in 1 min|in \d+ s|at)/);
  });
});

describe('the answer that refused the last key', () => {
  it('keeps the words of the upstream and adds how many keys were tried and when one is back', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b', 'c', 'd'], app: { clock } });
    for (const name of ['a', 'b', 'c', 'd']) proxy.simulator.account(name).fail('quota_5h');
    const { status, text } = await proxy.chat();
    expect(status).toBe(ERRORS.quota_5h.status);
    const { error } = JSON.parse(text) as { error: { message: string; type: string } };
    expect(error.type).toBe(ERRORS.quota_5h.type);
    expect(error.message.startsWith(ERRORS.quota_5h.message)).toBe(true);
    expect(error.message).toMatch(
      / kmi tried 4 keys\. All 4 Kimi keys have used up their quota\. The first is (?:back|tried again) .*`kmi status` shows them\.$/,
    );
  });

  it('says of refused keys the same in both protocols', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    for (const name of ['a', 'b']) proxy.simulator.account(name).fail('invalid_key');
    const { text } = await proxy.send('/messages', { body: '{"messages":[]}', headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(text).type).toBe('error');
    expect(messageIn(text)).toMatch(
      /\(401\).* kmi tried 2 keys\. Both Kimi keys were refused by Kimi\. `kmi doctor` says what to do\.$/,
    );
  });

  it('says it of keys that were out before, too', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], state: stateOf({ a: usedUp(2) }), app: { clock } });
    proxy.simulator.account('b').fail('quota_weekly');
    const message = messageIn((await proxy.chat()).text);
    expect(message).toContain(ERRORS.quota_weekly.message);
    expect(message).toMatch(/Both Kimi keys have used up their quota\./);
    expect(message).not.toContain('kmi tried');
  });

  it('is as it came while another key can serve, or when the request itself is at fault', async () => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_PROXY_FAILOVER_MAX: '0' } });
    proxy.simulator.account('a').fail('quota_5h');
    expect(messageIn((await proxy.chat()).text)).toBe(ERRORS.quota_5h.message);
  });
});
