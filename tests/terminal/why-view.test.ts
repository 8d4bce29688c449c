import { describe, expect, it } from 'vitest';
import { createStyle } from '../../src/cli/ui/style.ts';
import { renderWhy } from '../../src/cli/views/why/view.ts';
import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { traceEvent } from '../trace/event-fixture.ts';
import { VARIANTS } from './view-variants.ts';

const failedOver = traceEvent(1, {
  key_label: 'cleo',
  latency_ms: 1840,
  tried: [
    { key_label: 'ada', status: 429, verdict: 'quota' },
    { key_label: 'ben', status: 503, verdict: 'broken' },
  ],
  skipped: [
    { key_label: 'dora', reason: 'payment_required' },
    { key_label: 'emil', reason: 'key_rate_limit' },
  ],
});

const style = createStyle({ color: false, plain: true });
const told = (fields: Partial<TraceEvent>) => renderWhy(traceEvent(1, fields), { width: 100, style }).join('\n');

describe.each(VARIANTS)('%s', (_name, view) => {
  it('tells a request that went over two keys to a third', () => {
    expect(renderWhy(failedOver, view).join('\n')).toMatchSnapshot();
  });
});

it('a request that no key could serve names all that were passed over', () => {
  const skipped = [
    { key_label: 'ada', reason: 'quota' },
    { key_label: 'ben', reason: 'auth' },
    { key_label: 'cleo', reason: 'login_expired' },
  ];
  const text = told({ status: 503, error_code: 'no_eligible_key', key_label: '', choice: null, skipped });
  expect(text).toContain('No key could serve: the client got 503');
  expect(text).toMatch(/ada +skipped +it is on cooldown until its used-up quota returns/);
  expect(text).toMatch(/ben +skipped +it is blocked: the upstream refused the key \(401\)/);
  // The command is another one for each kind of login, and a trace does not know the kind.
  expect(text).toMatch(/cleo +skipped +its login has expired; `kmi status` says how to renew it/);
  expect(text).not.toContain('chosen');
});

it('when every key failed, the one whose answer the client got is told', () => {
  const tried = [
    { key_label: 'ada', status: 429, verdict: 'rate' },
    { key_label: 'ben', status: 401, verdict: 'bad-key' },
  ];
  const text = told({ status: 401, error_code: 401, key_label: 'ben', tried });
  expect(text).toMatch(/ben +tried +401: the key was refused \(401\); no further key, so the client got this/);
  expect(text).not.toContain('chosen');
});

it('a key that failed first and served after a pause is told twice', () => {
  const text = told({ key_label: 'ada', tried: [{ key_label: 'ada', status: 503, verdict: 'broken' }] });
  expect(text).toMatch(/ada +tried +503/);
  expect(text).toMatch(/ada +chosen +200/);
});

it.each([
  [{ status: 499, error_code: 'client_left' }, 'The client left after 101 ms'],
  [{ error_code: 'stream_broken' }, 'the answer broke off after 101 ms'],
  [{ status: 502, error_code: 'upstream_error' }, 'The upstream could not be reached: the client got 502'],
  [{ status: 504, error_code: 'upstream_timeout' }, 'The upstream did not answer in time: the client got 504'],
  [{ status: 426, error_code: 'of_another_version' }, 'The client got 426'],
  [{ status: 402, error_code: 'payment_required' }, 'Answered 402 by'],
  [{ tried: [{ key_label: 'eve', status: null, verdict: 'broken' }] }, 'no answer: the upstream failed or could not be reached'],
  [{ dry_run: true }, 'dry-run: nothing was sent upstream'],
] as const)('%j is said in words', (fields, words) => {
  expect(told(fields)).toContain(words);
});

it.each([
  ['session', 'the session stays with its account'],
  ['placed', 'the session was new and was given to its account'],
  ['moved', "the session's own account could not serve, so it moved here and left its cache behind"],
  ['helped_out', "the session's own account was busy for a moment, so it helped out; the session stays where it is"],
  ['file', 'its account holds a file that the request names'],
  ['dealt', 'the request has no session'],
] as const)('a key chosen for %s is told with the reason', (choice, words) => {
  const skipped = [
    { key_label: 'ben', reason: 'busy' },
    { key_label: 'cleo', reason: 'wallet' },
  ];
  const text = told({ key_label: 'ada', choice, skipped });
  expect(text.replace(/\s+/g, ' ')).toContain(`200, ${words}`);
  expect(text).toMatch(/ben +skipped +its account had as many requests at a time as it takes/);
  expect(text).toMatch(/cleo +skipped +its account has only its wallet left/);
});

it('the session and the tokens are told where the trace has them', () => {
  const fields = { input_tokens: 12_345, cached_tokens: 12_100, output_tokens: 210 };
  expect(told({ session: '3f2a9c1d', ...fields })).toContain('\nSession 3f2a9c1d, 12,345 tokens in (98 % cached), 210 out\n');
  expect(told(fields)).toContain('\n12,345 tokens in (98 % cached), 210 out\n');
  expect(told({})).not.toMatch(/session|tokens/i);
});

it('reasons of another version stand for themselves', () => {
  const text = told({ choice: 'quota_first', skipped: [{ key_label: 'ben', reason: 'on_holiday' }] });
  expect(text).toContain('200, quota_first');
  expect(text).toContain('on_holiday');
});

it('nothing of the trace steers the terminal', () => {
  const hostile = traceEvent(1, { request_id: 'abc\u001b[2J', prompt_hint: '\u001b[31m', key_label: '\u0007' });
  expect(renderWhy(hostile, { width: 100, style }).join('')).not.toMatch(/\p{Cc}/u);
});

it('an error of the upstream that the client got is told in words, with what to use instead', () => {
  const text = told({ key_label: 'work', status: 403, error_code: 403, verdict: 'agents-only', choice: 'session' });
  expect(text.replace(/\s+/g, ' ')).toContain(
    'work chosen 403: this path of Kimi takes only coding agents that it knows by their User-Agent. The key is not at fault. ' +
      'Use a known agent, or the Anthropic path (/v1/messages). Chosen: the session stays with its account',
  );
  expect(told({ key_label: 'work', status: 400, verdict: 'caller', choice: null })).toContain(
    '400: the request itself was refused, which no other key can change',
  );
});
