import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorName } from '../../src/simulator/simulator.ts';
import { type StoredKey, startBinaryProxy, startTestProxy, type TestProxy } from '../support/proxy.ts';

/** What a refusal of key a leaves behind, and whose answers the client gets. */
type Consequence = {
  readonly upstream: string;
  readonly client: number;
  readonly key: Partial<StoredKey>;
  /** How long the key is on cooldown or blocked; null = until unblocked, absent = not at all. */
  readonly seconds?: number | null;
};

const UNTOUCHED = { blocked_reason: null, exhausted_until: null, error_401: 0, error_403: 0, error_429: 0, error_5xx: 0 };
const toNext = (key: Partial<StoredKey>, seconds?: number | null): Consequence => ({
  upstream: 'a b',
  client: 200,
  key,
  ...(seconds === undefined ? {} : { seconds }),
});
const caller = (client: number): Consequence => ({ upstream: 'a', client, key: UNTOUCHED });
const quota = (counted: Partial<StoredKey>) => toNext({ exhausted_reason: 'quota', ...counted }, 300);
const broken = toNext({ exhausted_reason: 'upstream', error_5xx: 1 }, 60);

const ROWS: Readonly<Record<ErrorName, Consequence>> = {
  invalid_key: toNext({ blocked_reason: 'auth', error_401: 1 }, null),
  invalid_authentication: toNext({ blocked_reason: 'auth', error_401: 1 }, null),
  no_model_access: toNext(UNTOUCHED),
  plan_supports_only: toNext(UNTOUCHED),
  model_not_recognized: toNext(UNTOUCHED),
  model_id_unknown: toNext(UNTOUCHED),
  membership_unverified: toNext({ blocked_reason: 'payment_required' }, 3600),
  no_plan: toNext({ blocked_reason: 'payment_required', error_403: 1 }, 3600),
  not_coding_agent: caller(403),
  quota_5h: quota({ error_403: 1 }),
  quota_weekly: quota({ error_403: 1 }),
  quota_monthly: quota({ error_403: 1 }),
  quota_billing_cycle: quota({ error_403: 1 }),
  credit_empty: quota({ error_403: 1 }),
  quota_period: quota({ error_429: 1 }),
  quota_exceeded: quota({ error_429: 1 }),
  balance_suspended: quota({ error_429: 1 }),
  concurrency: toNext({ exhausted_reason: 'rate', error_403: 1 }, 5),
  rate_limited: toNext({ exhausted_reason: 'rate', error_429: 1 }, 5),
  org_rpm: toNext({ exhausted_reason: 'rate', error_429: 1 }, 1),
  org_tpd: toNext({ exhausted_reason: 'rate', error_429: 1 }, 1152),
  banned: toNext({ blocked_reason: 'banned', error_403: 1 }, null),
  overloaded: { upstream: 'a a', client: 200, key: UNTOUCHED },
  invalid_request: caller(400),
  message_too_large: caller(400),
  token_limit: caller(400),
  reasoning_missing: caller(400),
  tool_call_missing: caller(400),
  file_not_found: caller(400),
  duplicate_function: caller(400),
  content_filter: caller(400),
  invalid_temperature: caller(400),
  tool_schema_too_large: caller(400),
  model_not_found: caller(404),
  method_not_found: caller(404),
  client_closed: toNext({ exhausted_reason: 'upstream' }, 60),
  internal: broken,
  script_timeout: broken,
  bad_gateway: broken,
  unavailable: broken,
  gateway_timeout: broken,
};

const SETTINGS = { KMI_PROXY_RETRY_BASE_MS: '1' };

/** Seconds from the request to the end of the cooldown or block. */
function secondsOf({ exhausted_until, blocked_until, blocked_reason }: StoredKey, since: number): number | null | undefined {
  if (blocked_reason !== null && blocked_until === null) return null;
  const until = blocked_until ?? exhausted_until;
  return until === null ? undefined : (Date.parse(until) - since) / 1000;
}

async function expectConsequence(proxy: TestProxy, name: ErrorName, { upstream, client, key, seconds }: Consequence) {
  // An overload passes; every other refusal stays.
  proxy.simulator.account('a').fail(name, name === 'overloaded' ? { times: 1 } : {});
  const sentAt = Date.now();
  const answer = await proxy.chat();
  expect(answer.status).toBe(client);
  expect(proxy.served()).toBe(upstream);
  if (client !== 200)
    expect(answer.text).toBe(JSON.stringify({ error: { message: ERRORS[name].message, type: ERRORS[name].type } }));
  const { keys } = await proxy.state(({ keys: { a } }) => a?.request_count === 1 || a?.request_count === 2);
  const stored = keys.a as StoredKey;
  expect(stored).toMatchObject(key);
  const found = secondsOf(stored, sentAt);
  if (seconds === undefined || seconds === null) expect(found).toBe(seconds);
  else {
    expect(found).toBeGreaterThanOrEqual(seconds);
    expect(found).toBeLessThan(seconds + 20);
  }
  expect(keys.b ?? UNTOUCHED).toMatchObject(UNTOUCHED);
}

describe('every refusal the upstream is known to give', () => {
  it.each(Object.entries(ROWS) as [ErrorName, Consequence][])('%s', async (name, consequence) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings: SETTINGS });
    await expectConsequence(proxy, name, consequence);
  });
});

describe('the built binary', () => {
  const classes: readonly [string, ErrorName][] = [
    ['the fault of the caller', 'token_limit'],
    ['a wrong key', 'invalid_key'],
    ['a key without the model', 'no_model_access'],
    ['an unpaid account', 'membership_unverified'],
    ['a used-up quota', 'quota_5h'],
    ['a rate limit', 'rate_limited'],
    ['an overloaded upstream', 'overloaded'],
    ['a broken upstream', 'internal'],
    ['a banned account', 'banned'],
  ];
  it.each(classes)('handles %s', async (_, name) => {
    const proxy = await startBinaryProxy({ accounts: ['a', 'b'], settings: SETTINGS });
    await expectConsequence(proxy, name, ROWS[name]);
  });
});

describe('statuses without a known text', () => {
  it.each([400, 404, 405, 409, 410, 413, 415, 418, 422])('%i is the fault of the caller', async (status) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').fail({ status, type: 'odd', message: 'no' });
    expect((await proxy.chat()).status).toBe(status);
    expect(proxy.served()).toBe('a');
    expect((await proxy.state(({ keys }) => keys.a?.request_count === 1)).keys.a).toMatchObject(UNTOUCHED);
  });

  it.each([
    [401, { blocked_reason: 'auth' }],
    [402, { blocked_reason: 'payment_required' }],
    [403, { exhausted_reason: 'upstream', error_403: 1 }],
    [429, { exhausted_reason: 'rate', error_429: 1 }],
    [408, { exhausted_reason: 'upstream' }],
    [500, { exhausted_reason: 'upstream', error_5xx: 1 }],
    [529, { exhausted_reason: 'upstream', error_5xx: 1 }],
    [599, { exhausted_reason: 'upstream', error_5xx: 1 }],
  ])('%i sends the request to the next key', async (status, key) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'] });
    proxy.simulator.account('a').fail({ status, type: 'odd', message: 'no' });
    expect((await proxy.chat()).status).toBe(200);
    expect(proxy.served()).toBe('a b');
    expect((await proxy.state(({ keys }) => keys.b?.request_count === 1)).keys.a).toMatchObject(key);
  });
});

describe('on cooldown for as long as the settings say', () => {
  it.each([
    ['quota_5h', { KMI_ROTATION_COOLDOWN_SECONDS: '30' }, 30],
    ['rate_limited', { KMI_ROTATION_COOLDOWN_SECONDS: '2' }, 2],
    ['internal', { KMI_ROTATION_COOLDOWN_SECONDS: '20' }, 20],
    ['membership_unverified', { KMI_PAYMENT_BLOCK_SECONDS: '90' }, 90],
    ['membership_unverified', { KMI_PAYMENT_BLOCK_SECONDS: '0' }, null],
  ] as const)('%s %j', async (name, settings, seconds) => {
    const proxy = await startTestProxy({ accounts: ['a', 'b'], settings });
    await expectConsequence(proxy, name, { ...ROWS[name], seconds });
  });
});

it('a key that is rate limited again and again is on cooldown for longer each time', async () => {
  let now = Math.floor(Date.now() / 1000) * 1000;
  const proxy = await startTestProxy({ settings: { KMI_ROTATION_COOLDOWN_SECONDS: '30' }, app: { clock: () => now } });
  const cooldownOf = async () => {
    now += 1_000_000;
    await proxy.chat();
    const { keys } = await proxy.state();
    return (Date.parse(keys.a?.exhausted_until as string) - now) / 1000;
  };
  proxy.simulator.account('a').fail('rate_limited');
  expect([await cooldownOf(), await cooldownOf(), await cooldownOf(), await cooldownOf(), await cooldownOf()]).toEqual([
    5, 10, 20, 30, 30,
  ]);
  proxy.simulator.account('a').heal();
  now += 1_000_000;
  expect((await proxy.chat()).status).toBe(200);
  proxy.simulator.account('a').fail('rate_limited');
  expect(await cooldownOf()).toBe(5);
});
