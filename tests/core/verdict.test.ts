import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONSEQUENCES, judge, parseErrorBody, RULES, type VerdictClass } from '../../src/core/verdict.ts';
import { ERRORS, type ErrorName, renderError } from '../../src/simulator/errors.ts';

/** The class of an answer whose error says no more than this message. */
function judged(status: number, message: string, type?: string): VerdictClass {
  return judge(parseErrorBody(status, JSON.stringify({ error: { message, ...(type === undefined ? {} : { type }) } })));
}

describe('every text of docs/kimi-api.md#errors by itself, without a type', () => {
  it.each<[number, string, VerdictClass]>([
    [401, 'The API key appears to be invalid or may have expired', 'bad-key'],
    [401, 'Invalid Authentication', 'bad-key'],
    [401, 'Your current subscription does not have access to k3', 'no-model'],
    [401, 'Your current plan supports only kimi-for-coding', 'no-model'],
    [401, 'The model id does not exist, recognized as k9', 'no-model'],
    [402, 'We are unable to verify your membership benefits', 'unpaid'],
    [402, '', 'unpaid'],
    [403, 'currently only available for Coding Agents such as', 'caller'],
    [403, "You've reached your 5-hour usage limit", 'quota'],
    [403, "You've reached your weekly (7-day) usage limit", 'quota'],
    [403, "You've reached your monthly usage limit for this billing cycle", 'quota'],
    [403, "You've reached your usage limit for this billing cycle", 'quota'],
    [403, 'Your credit balance is insufficient', 'quota'],
    [403, "You've reached your concurrent request limit", 'rate'],
    [403, 'Please wait for your ongoing requests to finish', 'rate'],
    [403, 'Access terminated for breaking the community guidelines', 'banned'],
    [403, 'You broke our community guidelines.\nAccess terminated.', 'banned'],
    [403, 'Your account does not have access to Kimi Code right now', 'unpaid'],
    [429, 'The engine is currently overloaded, please try again later', 'overloaded'],
    [429, 'We are receiving too many requests at the moment', 'rate'],
    [429, "You've reached your usage limit for this period", 'quota'],
    [429, 'You exceeded your current token quota', 'quota'],
    [429, 'Your account is suspended due to insufficient balance', 'quota'],
    [429, 'request reached organization max RPM: 20, please try again after 1 seconds', 'rate'],
    [429, 'TPD rate limit, current: 1500321, limit: 1500000', 'rate'],
    [400, 'total message size 2400000 exceeds limit 2097152', 'caller'],
    [400, 'Your request exceeded model token limit: 262144', 'caller'],
    [400, 'reasoning_content is missing in assistant message', 'caller'],
    [400, 'tool_call_id call_1 is not found', 'caller'],
    [400, 'function name Read is duplicated', 'caller'],
    [400, 'duplicated function name Read', 'caller'],
    [400, 'The request was rejected because it was considered high risk', 'caller'],
    [400, 'content_filter', 'caller'],
    [400, 'invalid temperature: only 0.6 is allowed', 'caller'],
    [400, 'tool schema is larger than 15 KB', 'caller'],
    [404, 'Not found the model k9 or Permission denied', 'caller'],
    [404, 'method not found', 'caller'],
    [499, 'context canceled', 'broken'],
    [500, 'internal server error', 'broken'],
    [500, 'failed to run rate-limit script: i/o timeout', 'broken'],
    [502, 'bad gateway', 'broken'],
    [503, '', 'broken'],
    [504, 'gateway timeout', 'broken'],
  ])('%i %s is %s', (status, message, expected) => {
    expect(judged(status, message)).toBe(expected);
    expect(judged(status, message.toUpperCase())).toBe(expected);
  });

  it.each<[number, string, VerdictClass]>([
    [429, 'engine_overloaded_error', 'overloaded'],
    [529, 'overloaded_error', 'overloaded'],
    [429, 'rate_limit_reached_error', 'rate'],
    [429, 'exceeded_current_quota_error', 'quota'],
    [400, 'content_filter', 'caller'],
  ])('%i with the type %s is %s', (status, type, expected) => {
    expect(judged(status, 'some new words', type)).toBe(expected);
    expect(judge(parseErrorBody(status, JSON.stringify({ error: { message: 'x', type: '', code: type } })))).toBe(expected);
  });
});

/** What the simulator's texts mean (docs/kimi-api.md#errors). */
const MEANINGS: Readonly<Record<ErrorName, VerdictClass>> = {
  invalid_key: 'bad-key',
  invalid_authentication: 'bad-key',
  no_model_access: 'no-model',
  plan_supports_only: 'no-model',
  model_not_recognized: 'no-model',
  membership_unverified: 'unpaid',
  not_coding_agent: 'caller',
  quota_5h: 'quota',
  quota_weekly: 'quota',
  quota_monthly: 'quota',
  quota_billing_cycle: 'quota',
  credit_empty: 'quota',
  concurrency: 'rate',
  banned: 'banned',
  no_plan: 'unpaid',
  overloaded: 'overloaded',
  rate_limited: 'rate',
  quota_period: 'quota',
  quota_exceeded: 'quota',
  balance_suspended: 'quota',
  org_rpm: 'rate',
  org_tpd: 'rate',
  invalid_request: 'caller',
  message_too_large: 'caller',
  token_limit: 'caller',
  reasoning_missing: 'caller',
  tool_call_missing: 'caller',
  file_not_found: 'caller',
  duplicate_function: 'caller',
  content_filter: 'caller',
  invalid_temperature: 'caller',
  tool_schema_too_large: 'caller',
  model_not_found: 'caller',
  method_not_found: 'caller',
  client_closed: 'broken',
  internal: 'broken',
  script_timeout: 'broken',
  bad_gateway: 'broken',
  unavailable: 'broken',
  gateway_timeout: 'broken',
};

describe('the errors of the simulated upstream', () => {
  it.each(Object.keys(ERRORS) as ErrorName[])('%s means the same in both envelopes and as bare text', (name) => {
    const error = ERRORS[name];
    const bodies = [renderError(error, 'openai'), renderError(error, 'anthropic'), error.message];
    expect(bodies.map((body) => judge(parseErrorBody(error.status, body)))).toEqual(bodies.map(() => MEANINGS[name]));
  });
});

describe('by status alone', () => {
  it.each<[VerdictClass, number[]]>([
    ['served', [100, 200, 204, 301, 304, 399]],
    ['caller', [400, 404, 405, 409, 410, 413, 415, 418, 422, 425, 451]],
    ['bad-key', [401]],
    ['unpaid', [402]],
    ['refused', [403]],
    ['rate', [429]],
    ['broken', [408, 499, 500, 501, 502, 503, 504, 520, 529, 599]],
  ])('%s: %j', (expected, statuses) => {
    for (const status of statuses) {
      for (const body of ['', '{}', 'null', '[]', '<html>nothing known</html>', '{"error":{"message":"nothing known"}}']) {
        expect([status, body, judge(parseErrorBody(status, body))]).toEqual([status, body, expected]);
      }
    }
  });
});

describe('payment', () => {
  const words = [
    'billing',
    'balance',
    'insufficient_quota',
    'insufficient quota',
    'insufficient balance',
    'credit',
    'credits',
    'subscription',
    'plan',
    'top up',
    'top-up',
    'recharge',
    'payment',
    '余额不足',
    '账户余额不足',
    '请充值',
    '充值',
    '欠费',
    '未付费',
    '未支付',
    '订阅',
    '套餐',
  ];

  it.each(words)('a 400 or 403 that speaks of "%s" is unpaid', (word) => {
    for (const status of [400, 403]) expect(judged(status, `Sorry: ${word}.`)).toBe('unpaid');
    expect(judge(parseErrorBody(403, `Sorry: ${word}.`))).toBe('unpaid');
  });

  it.each(['insufficient balance', 'insufficient_quota', '账户余额不足', '请充值', '欠费'])(
    'a 400 that calls itself an invalid request is unpaid when it says "%s"',
    (words) => expect(judged(400, `Sorry: ${words}.`, 'invalid_request_error')).toBe('unpaid'),
  );

  it.each(['plan', 'subscription', 'billing', 'recharge', 'balance', 'credits', 'payment', 'top up', '订阅'])(
    'a 400 about a tool named after "%s" is the caller’s',
    (word) => {
      expect(judged(400, `tools.3.function.name "${word}" is not allowed`, 'invalid_request_error')).toBe('caller');
      expect(judged(400, `tools.3.function.name "${word}" is not allowed`, 'invalid_request')).toBe('caller');
      expect(judged(400, `Invalid request: tool "${word}" has no schema`)).toBe('caller');
    },
  );

  it('a word that only contains one of them says nothing', () => {
    expect(judged(403, 'the planet is unbalanced and accredited')).toBe('refused');
    expect(judged(400, 'the planet is unbalanced and accredited')).toBe('caller');
  });

  it('a 404 or 413 that speaks of payment stays the caller’s', () => {
    for (const status of [404, 413, 422]) expect(judged(status, 'see your plan and billing page')).toBe('caller');
  });
});

describe('the tables', () => {
  it('have a consequence for every class and a class for every rule', () => {
    for (const { class: name } of RULES) expect(CONSEQUENCES).toHaveProperty(name);
  });

  it('put nobody away for what the caller, the model or the server did', () => {
    const blameless = Object.entries(CONSEQUENCES).filter(([, { blame }]) => blame === 'nobody');
    expect(blameless.map(([name]) => name).sort()).toEqual(['caller', 'no-model', 'overloaded', 'served']);
  });

  it('try another key except for the caller’s faults and overloads', () => {
    const stay = Object.entries(CONSEQUENCES).filter(([, { next }]) => next !== 'next-key');
    expect(Object.fromEntries(stay.map(([name, { next }]) => [name, next]))).toEqual({
      served: 'relay',
      caller: 'relay',
      overloaded: 'same-key',
    });
  });
});

describe('parseErrorBody', () => {
  it.each<[string, string, string]>([
    ['{"error":{"message":"Hello","type":"A_B"}}', 'a_b', 'hello'],
    ['{"error":{"message":"Hello","code":"A_B"}}', 'a_b', 'hello'],
    ['{"error":{"message":"Hello","type":null,"code":"A_B"}}', 'a_b', 'hello'],
    ['{"error":{"message":"Hello","type":"","code":"A_B"}}', 'a_b', 'hello'],
    ['{"type":"error","error":{"type":"api_error","message":"Hello"}}', 'api_error', 'hello'],
    ['{"message":"Hello","code":"A_B"}', 'a_b', 'hello'],
    ['{"error":{"message":"One"},"message":"Two"}', '', 'one two'],
    ['{"error":"Insufficient balance"}', '', '{"error":"insufficient balance"}'],
    ['{"detail":"Hello"}', '', '{"detail":"hello"}'],
    ['{"error":{"message":5,"type":6}}', '', '{"error":{"message":5,"type":6}}'],
    ['{"error":[1]}', '', '{"error":[1]}'],
    ['"Hello"', '', '"hello"'],
    ['Hello', '', 'hello'],
    ['', '', ''],
  ])('%s', (text, type, message) => {
    expect(parseErrorBody(400, text)).toEqual({ status: 400, type, message });
  });

  it('answers for any bytes, with a class for each', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 100, max: 999 }), (bytes, status) => {
        const answer = parseErrorBody(status, Buffer.from(bytes).toString('utf8'));
        expect(answer.message.length).toBeLessThanOrEqual(3 * 4096);
        expect(CONSEQUENCES).toHaveProperty(judge(answer));
      }),
    );
  });

  it('answers for any JSON, with a class for each', () => {
    const envelope = fc.record({ error: fc.record({ message: fc.jsonValue(), type: fc.jsonValue(), code: fc.jsonValue() }) });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), envelope), fc.integer({ min: 400, max: 599 }), (value, status) => {
        const answer = parseErrorBody(status, JSON.stringify(value));
        expect(typeof answer.type).toBe('string');
        expect(CONSEQUENCES).toHaveProperty(judge(answer));
      }),
    );
  });

  it.each<[string, string]>([
    ['text', 'access terminated '.repeat(60_000)],
    ['quota text', 'exceeded your current '.repeat(50_000)],
    ['weekly', 'weekly'.repeat(170_000)],
    ['a long message', JSON.stringify({ error: { message: 'community guidelines access '.repeat(40_000), type: 'x' } })],
    ['a long type', JSON.stringify({ error: { message: 'x', type: 'y'.repeat(1_000_000) } })],
    ['deep nesting', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
    ['deep objects', `${'{"error":'.repeat(110_000)}1${'}'.repeat(110_000)}`],
    ['spaces', ' '.repeat(1_000_000)],
    ['zero bytes', '\0'.repeat(1_000_000)],
  ])('takes bounded time and room for a megabyte of %s', (_, text) => {
    const started = performance.now();
    const answer = parseErrorBody(403, text);
    judge(answer);
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(answer.message.length + answer.type.length).toBeLessThanOrEqual(5_000);
  });
});
