import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { namedWindowMs, parseErrorBody } from '../../../src/core/verdicts/error-answer.ts';
import { blameFor, CONSEQUENCES, judge, RULES, type VerdictClass } from '../../../src/core/verdicts/verdict.ts';
import { ERRORS, type ErrorName, renderError } from '../../../src/simulator/errors.ts';
import { cpuMs } from '../../support/cpu-time.ts';

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
    [401, "Your model id does not exist. Please set model id as 'k3'", 'no-model'],
    [401, "Your model id 'k3[1m]' does not exist", 'no-model'],
    [402, 'We are unable to verify your membership benefits', 'unpaid'],
    [402, '', 'unpaid'],
    [403, 'currently only available for Coding Agents such as', 'agents-only'],
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
  model_id_unknown: 'no-model',
  membership_unverified: 'unpaid',
  not_coding_agent: 'agents-only',
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
  it.each(Object.keys(ERRORS) as ErrorName[])('%s means the same in both envelopes', (name) => {
    const error = ERRORS[name];
    const bodies = [renderError(error, 'openai'), renderError(error, 'anthropic')];
    expect(bodies.map((body) => judge(parseErrorBody(error.status, body)))).toEqual(bodies.map(() => MEANINGS[name]));
  });

  it.each(Object.keys(ERRORS) as ErrorName[])('%s as plain text means the same where its words are known', (name) => {
    const { status, message } = ERRORS[name];
    const meaning = status >= 499 && MEANINGS[name] === 'broken' ? /^(?:broken|edge)$/ : new RegExp(`^${MEANINGS[name]}$`);
    expect(judge(parseErrorBody(status, message))).toMatch(meaning);
  });
});

const BY_STATUS: readonly [VerdictClass, number[]][] = [
  ['served', [100, 200, 204, 301, 304, 399]],
  ['caller', [400, 404, 405, 409, 410, 413, 415, 418, 422, 425, 451]],
  ['bad-key', [401]],
  ['unpaid', [402]],
  ['refused', [403]],
  ['rate', [429]],
  ['broken', [408, 499, 500, 501, 502, 503, 504, 520, 529, 599]],
];

describe('by status alone, in words that are not known', () => {
  const bodies = [
    '{"error":{"message":"nothing known"}}',
    '\uFEFF {"error":{"message":"nothing known"}}',
    '{"type":"error","error":{"type":"x","message":"nothing known"}}',
    '{"message":"nothing known","code":"x"}',
    '{"detail":"nothing known"}',
    '{"detail":[{"loc":["body"],"msg":"nothing known"}]}',
    '',
    ' \r\n',
  ];
  it.each(BY_STATUS)('%s: %j', (expected, statuses) => {
    for (const status of statuses) {
      for (const body of bodies) expect([status, body, judge(parseErrorBody(status, body))]).toEqual([status, body, expected]);
    }
  });

  it.each([
    [401, 'Unauthorized', 'bad-key'],
    [401, '401 Unauthorized', 'bad-key'],
    [402, 'Payment Required', 'unpaid'],
    [403, 'Forbidden.', 'refused'],
    [429, 'HTTP/1.1 429 Too Many Requests', 'rate'],
    [502, '502 Bad Gateway', 'broken'],
    [503, 'Service Temporarily Unavailable', 'broken'],
  ])('%i "%s", which says the status once more', (status, body, expected) => {
    expect([judge(parseErrorBody(status, body)), parseErrorBody(status, body).form]).toEqual([expected, 'bare']);
  });
});

/** What networks, proxies and gateways on the way answer in the place of the API. */
const FOREIGN: readonly [string, string, { contentType?: string; challenge?: string }?][] = [
  ['a page', '<!DOCTYPE html><html><body>You must sign in to use this network.</body></html>', { contentType: 'text/html' }],
  ['a page without its type', '<html><head><title>Sign in</title></head></html>'],
  ['a page behind a byte order mark and spaces', '\uFEFF\r\n  <HTML>'],
  ['a page that begins with a comment', '<!-- portal --><html></html>'],
  ['a page that speaks of money', '<html>Your plan has no balance left, top up your subscription</html>'],
  ['a page in the words of the API', '<html>The API key appears to be invalid or may have expired</html>'],
  ['XML', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', { contentType: 'application/xml' }],
  ['text that calls itself a page', 'Sign in', { contentType: 'Text/HTML; charset=utf-8' }],
  ['a page that could not be unpacked', '', { contentType: 'text/html' }],
  ['the text of a network', 'You must sign in to use this network.', { contentType: 'text/plain' }],
  ['the text of a proxy', 'Access denied by the corporate proxy: category AI'],
  ['text nobody knows', 'policy_denied'],
  ['text that speaks of money', 'Buy a plan to go on, your balance is empty'],
  ['a challenge for another login', 'nothing', { challenge: 'Basic realm="office"' }],
  ['a challenge of the domain', '', { challenge: 'Negotiate' }],
  ['the JSON of a gateway', '{"message":"Unauthorized"}', { contentType: 'application/json' }],
  ['the JSON of another gateway', '{"message":"No API key found in request","request_id":"1"}'],
  ['the JSON of a third', '{"statusCode":401,"message":"Access denied due to missing subscription key."}'],
  ['the JSON of a framework', '{"timestamp":"x","status":401,"error":"Unauthorized","path":"/x"}'],
  ['no object at all', '[]'],
  ['an empty object', '{}'],
  ['null', 'null'],
  ['a string', '"no"'],
];

describe('what is not the answer of the API', () => {
  it.each(FOREIGN)('blames nobody: %s', (_, body, head) => {
    const classes = [401, 402, 403, 407, 429, 451, 500, 502, 503, 511].map((status) => judge(parseErrorBody(status, body, head)));
    for (const one of classes) expect(CONSEQUENCES[one].blame).toBe('none');
    expect(classes.slice(0, 5)).toEqual(['foreign', 'foreign', 'foreign', 'foreign', 'foreign']);
    expect(classes.slice(6)).toEqual(['edge', 'edge', 'edge', 'foreign']);
  });

  it('is any answer with a status that only networks have', () => {
    for (const status of [407, 511]) expect(judge(parseErrorBody(status, '{"error":{"message":"x"}}'))).toBe('foreign');
  });
});

describe('an answer that does not name its reason', () => {
  it('blocks a key only when another one serves the same request', () => {
    const blame = (verdict: VerdictClass) => [true, false].map((namesReason) => blameFor({ verdict, namesReason }));
    expect(blame('bad-key')).toEqual(['key', 'if-others-work']);
    expect(blame('unpaid')).toEqual(['account', 'if-others-work']);
    expect(blame('rate')).toEqual(['account', 'account']);
    expect(blame('served')).toEqual(['none', 'none']);
  });
});

it('the window that a refusal names is known', () => {
  const day = 86_400_000;
  expect(
    ['5-hour usage limit', 'weekly (7-day) usage limit', 'monthly usage limit for this billing cycle', 'usage limit'].map(
      namedWindowMs,
    ),
  ).toEqual([18_000_000, 7 * day, 31 * day, null]);
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

  it('blame no key for what the caller, the model or the server did', () => {
    const blameless = Object.entries(CONSEQUENCES).filter(([, { blame }]) => blame === 'none');
    expect(blameless.map(([name]) => name).sort()).toEqual([
      'agents-only',
      'caller',
      'edge',
      'foreign',
      'login-over',
      'no-model',
      'overloaded',
      'served',
    ]);
  });

  it('try another key except for the caller’s faults and overloads', () => {
    const stay = Object.entries(CONSEQUENCES).filter(([, { next }]) => next !== 'next-key');
    expect(Object.fromEntries(stay.map(([name, { next }]) => [name, next]))).toEqual({
      served: 'relay',
      'agents-only': 'relay',
      caller: 'relay',
      foreign: 'relay',
      edge: 'same-key',
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
    expect(parseErrorBody(400, text)).toMatchObject({ status: 400, type, message });
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
  ])('takes bounded time and room for a megabyte of %s', async (_, text) => {
    expect(await cpuMs(() => judge(parseErrorBody(403, text)))).toBeLessThan(1_000);
    const answer = parseErrorBody(403, text);
    expect(answer.message.length + answer.type.length).toBeLessThanOrEqual(5_000);
  });
});
