import { describe, expect, it } from 'vitest';
import { type ErrorName, renderError } from '../../src/simulator/errors.ts';
import { ERRORS } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { sendChatAnswer, sendJson, startHttpUpstream } from '../support/http-upstream.ts';
import { chatBody, keyOf, startTestProxy } from '../support/proxy.ts';

const LOGIN = { authorization: "Bearer the-client's-own-login" };

/** Every key is refused so, whatever is asked for. */
async function refusing(name: ErrorName, accounts = ['a', 'b']) {
  const error = ERRORS[name];
  const upstream = await startHttpUpstream((response, _key, request) =>
    response
      .writeHead(error.status, { 'content-type': 'application/json', 'www-authenticate': 'Bearer', 'x-trace-id': 't1' })
      .end(renderError(error, request.url?.includes('/messages') === true ? 'anthropic' : 'openai')),
  );
  return startTestProxy({ accounts, settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
}

describe('a 401 about the proxy’s key', () => {
  const names: readonly ErrorName[] = ['invalid_key', 'invalid_authentication', 'no_model_access', 'model_not_recognized'];
  it.each(names)('%s reaches a client that has a login of its own as a 403 with the upstream’s text', async (name) => {
    const proxy = await refusing(name);
    const openai = await proxy.chat({}, { headers: LOGIN });
    expect(openai.status).toBe(403);
    const { error } = JSON.parse(openai.text) as { error: { message: string; type: string; code: string } };
    expect(error).toMatchObject({ type: 'kmi_error', code: 'key_refused' });
    expect(error.message).toContain(ERRORS[name].message);
    const lower = openai.rawHeaders.map((text) => text.toLowerCase());
    expect(lower).not.toContain('www-authenticate');
    expect(lower).toContain('x-trace-id');
  });

  it('in Anthropic’s form where that is spoken', async () => {
    const proxy = await refusing('invalid_key', ['a']);
    const answer = await proxy.send('/messages', { headers: { ...LOGIN, 'content-type': 'application/json' }, body: chatBody() });
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([403, { type: 'error', error: { type: 'permission_error' } }]);
    expect(answer.text).toContain(ERRORS.invalid_key.message);
  });

  it.each(['/models', '/usages', '/me'])(
    'is a 503 at %s, where clients take a 403 as being about their login too',
    async (path) => {
      const upstream = await startHttpUpstream(
        (response) => sendJson(response, 401, { error: { message: 'Invalid Authentication', type: 'x' } }),
        () => (response) => sendJson(response, 401, { error: { message: 'Invalid Authentication', type: 'x' } }),
      );
      const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
      const answer = await proxy.send(path, { method: 'GET', headers: LOGIN });
      if (path === '/me') expect(answer.status).toBe(200);
      else expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('Invalid Authentication')]);
    },
  );

  it('stays readable with a lone key, each time', async () => {
    const proxy = await refusing('invalid_key', ['a']);
    for (let n = 0; n < 3; n++) {
      const answer = await proxy.chat();
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining(ERRORS.invalid_key.message)]);
    }
    expect((await proxy.trace(3)).map(({ status, error_code }) => [status, error_code])).toEqual(Array(3).fill([403, 401]));
  });

  it.each([
    ['Bearer', { authorization: `Bearer ${keyOf('a')}` }],
    ['x-api-key', { 'x-api-key': keyOf('a') }],
  ])('is a 401 for a client that sent this very key (%s)', async (_, headers) => {
    const proxy = await refusing('invalid_key', ['a']);
    const answer = await proxy.chat({}, { headers });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      401,
      { error: { message: ERRORS.invalid_key.message, type: ERRORS.invalid_key.type } },
    ]);
  });
});

describe('a Retry-After', () => {
  it.each([
    ['99999999', '1200'],
    ['Fri, 31 Dec 9999 23:59:59 GMT', '1200'],
    ['999999999999999999999999', '1200'],
    ['7', '7'],
    ['0', '0'],
    ['-5', '-5'],
    ['1.5', '1.5'],
  ])('of %s reaches the client as %s after a burst', async (sent, told) => {
    const error = { error: { message: 'We are receiving too many requests', type: 'rate_limit_reached_error' } };
    const upstream = await startHttpUpstream((response) => sendJson(response, 429, error, { 'retry-after': sent }));
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
    const retryAfter = async () => {
      const { rawHeaders } = await proxy.chat();
      return rawHeaders[rawHeaders.findIndex((name) => name.toLowerCase() === 'retry-after') + 1];
    };
    expect(await retryAfter()).toBe(told);
    const { keys } = await proxy.state(({ keys: { a, b } }) => a?.exhausted_until != null && b?.exhausted_until != null);
    const cooldowns = Object.values(keys).map((key) => (Date.parse(key.exhausted_until as string) - Date.now()) / 1000);
    for (const seconds of cooldowns) expect(seconds).toBeLessThanOrEqual(1201);
    // Then nobody is left, and the proxy's own answer is bounded as well.
    expect(Number(await retryAfter())).toBeLessThanOrEqual(1201);
  });
});

it.each([
  ['500000', '500000'],
  ['99999999', String(7 * 86_400)],
])('a Retry-After of %s reaches the client as %s after a refusal for the week', async (sent, told) => {
  const error = { error: { message: "You've reached your weekly (7-day) usage limit.", type: 'exceeded_current_quota_error' } };
  const upstream = await startHttpUpstream((response) => sendJson(response, 403, error, { 'retry-after': sent }));
  const proxy = await startTestProxy({ settings: { KMI_UPSTREAM_BASE_URL: upstream.baseUrl } });
  const { rawHeaders } = await proxy.chat();
  expect(rawHeaders[rawHeaders.findIndex((name) => name.toLowerCase() === 'retry-after') + 1]).toBe(told);
  const { keys } = await proxy.state(({ keys: { a } }) => a?.exhausted_until != null);
  const seconds = (Date.parse(keys.a?.exhausted_until as string) - Date.now()) / 1000;
  expect(Math.abs(seconds - Number(told))).toBeLessThan(60);
});

describe('after a cooldown whose end was a guess', () => {
  it('one request goes to each key, the others are told to come back, and after the answers all go', async () => {
    let refuses = true;
    let held: (() => void)[] | null = null;
    const upstream = await startHttpUpstream((response) => {
      if (refuses) sendJson(response, 429, { error: { message: 'too many requests', type: 'rate_limit_reached_error' } });
      else if (held === null) sendChatAnswer(response);
      else held.push(() => sendChatAnswer(response));
    });
    let now = Date.now();
    const settings = { KMI_UPSTREAM_BASE_URL: upstream.baseUrl };
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings, app: { clock: () => now } });
    expect((await proxy.chat()).status).toBe(429);
    expect(upstream.keys).toHaveLength(2);
    refuses = false;
    held = [];
    now += 60_000;
    const crowd = Array.from({ length: 10 }, () => proxy.chat().then(({ status }) => status));
    const sentAway = await eventually(async () => {
      const done = await Promise.all(crowd.map((one) => Promise.race([one, null])));
      return done.filter((status) => status === 503).length === 8 ? done : undefined;
    });
    expect(sentAway.filter((status) => status === null)).toHaveLength(2);
    expect([...upstream.keys].sort()).toEqual(['a', 'a', 'b', 'b'].map(keyOf));
    for (const answer of held) answer();
    held = null;
    expect((await Promise.all(crowd)).sort()).toEqual([200, 200, ...Array(8).fill(503)]);
    const after = await Promise.all(Array.from({ length: 10 }, () => proxy.chat()));
    expect(after.map(({ status }) => status)).toEqual(Array(10).fill(200));
  });
});
