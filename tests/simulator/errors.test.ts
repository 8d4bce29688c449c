import { describe, expect, it } from 'vitest';
import { renderError } from '../../src/simulator/errors.ts';
import { ERRORS, type ErrorName } from '../../src/simulator/simulator.ts';
import { chat, get, json, openSimulator, post } from './client.ts';

/** The rows of docs/kimi-api.md#errors: what has to be found in the message, in lower case. */
const ROWS: [ErrorName, number, string[]][] = [
  ['invalid_key', 401, ['api key appears to be invalid or may have expired']],
  ['invalid_authentication', 401, ['invalid authentication']],
  ['no_model_access', 401, ['current subscription does not have access to k3']],
  ['plan_supports_only', 401, ['current plan supports only']],
  ['model_not_recognized', 401, ['model id does not exist, recognized as']],
  ['model_id_unknown', 401, ['model id does not exist', "set model id as 'k3'"]],
  ['membership_unverified', 402, ['unable to verify your membership benefits']],
  ['not_coding_agent', 403, ['only available for coding agents']],
  ['quota_5h', 403, ['5-hour usage limit']],
  ['quota_weekly', 403, ['weekly (7-day) usage limit']],
  ['quota_monthly', 403, ['monthly usage limit for this billing cycle']],
  ['quota_billing_cycle', 403, ['usage limit for this billing cycle']],
  ['credit_empty', 403, ['credit balance is insufficient']],
  ['concurrency', 403, ['concurrent request limit', 'wait for your ongoing requests']],
  ['banned', 403, ['access terminated', 'community guidelines']],
  ['no_plan', 403, ['does not have access to kimi code right now']],
  ['overloaded', 429, ['engine is currently overloaded']],
  ['rate_limited', 429, ['receiving too many requests at the moment']],
  ['quota_period', 429, ['usage limit for this period']],
  ['quota_exceeded', 429, ['exceeded your current', 'quota']],
  ['balance_suspended', 429, ['suspended due to insufficient balance']],
  ['org_rpm', 429, ['organization max rpm: 20, please try again after 1 seconds']],
  ['org_tpd', 429, ['tpd rate limit, current: ', 'limit: 1500000']],
  ['message_too_large', 400, ['total message size', 'exceeds limit 2097152']],
  ['token_limit', 400, ['exceeded model token limit']],
  ['reasoning_missing', 400, ['reasoning_content is missing']],
  ['tool_call_missing', 400, ['tool_call_id', 'not found']],
  ['duplicate_function', 400, ['function name', 'duplicated']],
  ['content_filter', 400, ['high risk']],
  ['invalid_temperature', 400, ['invalid temperature: only 0.6 is allowed']],
  ['tool_schema_too_large', 400, ['tool schema', '15 kb']],
  ['model_not_found', 404, ['not found the model', 'or permission denied']],
  ['method_not_found', 404, ['method not found']],
  ['client_closed', 499, ['context canceled']],
  ['internal', 500, ['internal']],
  ['script_timeout', 500, ['rate-limit script', 'i/o timeout']],
  ['bad_gateway', 502, []],
  ['unavailable', 503, []],
  ['gateway_timeout', 504, []],
];

describe('the catalogue of upstream errors', () => {
  it.each(ROWS)('%s has its status and its phrases', (name, status, phrases) => {
    expect(ERRORS[name].status).toBe(status);
    for (const phrase of phrases) expect(ERRORS[name].message.toLowerCase()).toContain(phrase);
  });

  it('has no entry that the table of this test does not know', () => {
    const own: ErrorName[] = ['invalid_request', 'file_not_found'];
    expect([...ROWS.map(([name]) => name), ...own].sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it('sends Retry-After for the tier limits of the Open Platform only', () => {
    const withHeader = Object.entries(ERRORS).filter(([, error]) => 'headers' in error);
    expect(withHeader.map(([name, error]) => [name, 'headers' in error && error.headers['retry-after']])).toEqual([
      ['org_rpm', '1'],
      ['org_tpd', '1152'],
    ]);
  });

  it.each([
    ['quota_5h', 'permission_error'],
    ['banned', 'permission_error'],
    ['overloaded', 'rate_limit_error'],
    ['invalid_key', 'authentication_error'],
    ['model_not_found', 'not_found_error'],
    ['content_filter', 'invalid_request_error'],
    ['internal', 'api_error'],
  ] as const)('renders %s as %s for Anthropic clients', (name, type) => {
    const body = JSON.parse(renderError(ERRORS[name], 'anthropic'));
    expect(body).toEqual({ type: 'error', error: { type, message: ERRORS[name].message } });
  });
});

describe('an account told to fail', () => {
  it.each(ROWS.map(([name]) => name))('answers %s in the envelope of the path', async (name) => {
    const simulator = await openSimulator();
    simulator.account('a').fail(name);
    const { status, message, type } = ERRORS[name];

    const openai = await chat(simulator);
    expect(openai.status).toBe(status);
    expect(openai.headers.get('content-type')).toBe('application/json');
    expect(await json(openai)).toEqual({ error: { message, type } });

    const anthropic = await post(simulator, '/messages?beta=true', { messages: [] });
    expect(anthropic.status).toBe(status);
    expect(await json(anthropic)).toMatchObject({ type: 'error', error: { message } });
  });

  it('sends the headers of the error', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('org_rpm', { times: 1 });
    expect((await chat(simulator)).headers.get('retry-after')).toBe('1');
    simulator.account('a').fail({ ...ERRORS.rate_limited, headers: { 'Retry-After': '7' } });
    expect((await chat(simulator)).headers.get('retry-after')).toBe('7');
  });

  it('fails as often as told, one plan after the other, then works again', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('overloaded', { times: 2 }).fail('internal', { times: 1 });
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await chat(simulator)).status);
    expect(statuses).toEqual([429, 429, 500, 200]);
    expect(simulator.account('a').books).toMatchObject({ served: 1, refused: 3 });
  });

  it('fails until it is healed when no number is given', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('quota_weekly');
    expect((await chat(simulator)).status).toBe(403);
    expect((await chat(simulator)).status).toBe(403);
    simulator.account('a').heal();
    expect((await chat(simulator)).status).toBe(200);
  });

  it('fails by chance, drawn from the given source', async () => {
    const simulator = await openSimulator();
    const draws = [0.1, 0.9, 0.49, 0.5];
    simulator.account('a').fail('internal', { probability: 0.5, random: () => draws.shift() ?? 1 });
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await chat(simulator)).status);
    expect(statuses).toEqual([500, 200, 500, 200]);
  });

  it('keeps /usages, /me and /models working unless the key itself is refused', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('quota_5h');
    for (const path of ['/usages', '/me', '/models']) expect((await get(simulator, path)).status).toBe(200);
    simulator.account('a').heal().fail('invalid_key');
    for (const path of ['/usages', '/me', '/models']) expect((await get(simulator, path)).status).toBe(401);
  });

  it('fails on the routes it is told to', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('unavailable', { on: ['usages'] });
    expect((await get(simulator, '/usages')).status).toBe(503);
    expect((await chat(simulator)).status).toBe(200);
  });

  it('ends a stream that has begun with an error event, and writes the chat down as broken', async () => {
    const simulator = await openSimulator();
    simulator.account('a').fail('overloaded', { inStreamAfterChunks: 2 });
    const response = await chat(simulator, { stream: true });
    expect(response.status).toBe(200);
    const events = (await response.text()).trim().split('\n\n');
    expect(events).toHaveLength(3);
    expect(events[2]).toBe(`data: ${renderError(ERRORS.overloaded, 'openai')}`);

    const message = await post(simulator, '/messages', { stream: true });
    expect((await message.text()).trim().split('\n\n').at(-1)).toBe(
      `event: error\ndata: ${renderError(ERRORS.overloaded, 'anthropic')}`,
    );
    await simulator.waitFor(() => simulator.openResponses === 0);
    expect(simulator.account('a').books).toMatchObject({ served: 0, broken: 2 });
    expect(simulator.account('a').inFlight).toBe(0);
  });

  it('refuses a name nobody knows', async () => {
    const simulator = await openSimulator();
    expect(() => simulator.account('a').fail('quota_6h' as 'quota_5h')).toThrow('no fault named quota_6h');
  });
});
