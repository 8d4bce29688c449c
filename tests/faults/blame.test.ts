import { beforeAll, describe, expect, it } from 'vitest';
import type { ErrorName } from '../../src/simulator/simulator.ts';
import { Ledger } from '../../src/state/state-ledger.ts';
import { eventually } from '../support/eventually.ts';
import type { StoredKey } from '../support/proxy.ts';
import { measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { inParallel, readChat, sendChat } from './traffic.ts';

const HOUR_S = 3600;
const QUOTA: readonly ErrorName[] = [
  'quota_5h',
  'quota_weekly',
  'quota_monthly',
  'quota_billing_cycle',
  'credit_empty',
  'quota_period',
  'quota_exceeded',
  'balance_suspended',
];
const CALLER: readonly ErrorName[] = [
  'not_coding_agent',
  'invalid_request',
  'message_too_large',
  'token_limit',
  'reasoning_missing',
  'tool_call_missing',
  'duplicate_function',
  'content_filter',
  'invalid_temperature',
  'tool_schema_too_large',
  'model_not_found',
  'method_not_found',
];

/** Per error: the cooldown or block, for how many seconds (null: until a recheck or a person says so). */
type Expected =
  | { readonly blocked: string; readonly seconds: number | null }
  | { readonly cooldown: string; readonly seconds: number }
  | null;
const ROWS: readonly (readonly [ErrorName, Expected])[] = [
  ['invalid_key', { blocked: 'auth', seconds: null }],
  ['invalid_authentication', { blocked: 'auth', seconds: null }],
  ['no_model_access', null],
  ['plan_supports_only', null],
  ['model_not_recognized', null],
  ['model_id_unknown', null],
  ['membership_unverified', { blocked: 'payment_required', seconds: HOUR_S }],
  ['no_plan', { blocked: 'payment_required', seconds: HOUR_S }],
  ...QUOTA.map((name) => [name, { cooldown: 'quota', seconds: 300 }] as const),
  ['concurrency', { cooldown: 'rate', seconds: 5 }],
  ['rate_limited', { cooldown: 'rate', seconds: 5 }],
  ['org_rpm', { cooldown: 'rate', seconds: 1 }],
  ['org_tpd', { cooldown: 'rate', seconds: 1152 }],
  ['overloaded', null],
  ['client_closed', { cooldown: 'upstream', seconds: 60 }],
  ['internal', { cooldown: 'upstream', seconds: 60 }],
  ['script_timeout', { cooldown: 'upstream', seconds: 60 }],
  ['bad_gateway', { cooldown: 'upstream', seconds: 60 }],
  ['unavailable', { cooldown: 'upstream', seconds: 60 }],
  ['gateway_timeout', { cooldown: 'upstream', seconds: 60 }],
  ['banned', { blocked: 'banned', seconds: null }],
];

const CLEAN = {
  exhausted_until: null,
  blocked_until: null,
  blocked_reason: null,
  error_401: 0,
  error_403: 0,
  error_429: 0,
  error_5xx: 0,
};
const chat = (n: number) => ({ protocol: 'openai', stream: n % 2 === 0, mark: `n${n}` }) as const;

let place: Installation;
let url: string;
let ledger: Ledger;

beforeAll(async () => {
  place = await install({ accounts: ['a', 'b'], autoRotate: false });
  ({ url } = await place.startProxy());
  ledger = new Ledger(await place.openStore());
});

/** Both keys are free again, the first is the active one, and the proxy knows. */
async function beginAnew(): Promise<void> {
  for (const name of ['a', 'b']) {
    place.simulator.account(name).heal();
    ledger.forget(name);
  }
  // What the proxy is still asking about the last refusal for quota is older than this, and sets no cooldown any more.
  ledger.quotaSeen(['a', 'b'].map((label) => ({ label, at: Date.now() })));
  ledger.setActive('a', 0);
  await ledger.store.save();
  await eventually(async () => {
    const { keys } = (await (await fetch(new URL('/healthz', url))).json()) as { keys: { ready: number } };
    return keys.ready === 2 ? true : undefined;
  });
  // A request that finds nothing in the way goes to the first key.
  await eventually(async () => {
    const reading = readChat(await sendChat(url, chat(0)), chat(0));
    return 'account' in reading && reading.account === 'a' ? true : undefined;
  });
  place.simulator.received.length = 0;
}

const calls = () => place.simulator.received.filter(({ path }) => !/\/(?:usages|me)$/.test(path));
const countOf = async (label: string): Promise<number> => (await place.readState()).keys[label]?.request_count ?? 0;

describe('an answer of the upstream blames whom it should', () => {
  it.each(ROWS)('%s', async (name, expected) => {
    await beginAnew();
    place.simulator.account('a').fail(name, name === 'overloaded' ? { times: 1 } : {});
    const startedAt = Date.now();
    expect(readChat(await sendChat(url, chat(1)), chat(1))).toMatchObject({ account: name === 'overloaded' ? 'a' : 'b' });
    const endedAt = Date.now();
    const isPunished = (key: StoredKey | undefined) => key?.blocked_reason != null || key?.exhausted_until != null;
    if (expected === null) {
      await sendChat(url, chat(2));
      const { keys } = await place.state((state) => (state.keys.a?.request_count ?? 0) > 0);
      expect([keys.a, keys.b].map(isPunished)).toEqual([false, false]);
      expect(calls()[0]?.account).toBe('a');
      return;
    }
    const { keys } = await place.state((state) => isPunished(state.keys.a));
    expect(isPunished(keys.b)).toBe(false);
    const key = keys.a as StoredKey;
    const [reason, until] =
      'blocked' in expected ? [key.blocked_reason, key.blocked_until] : [key.exhausted_reason, key.exhausted_until];
    expect(reason).toBe('blocked' in expected ? expected.blocked : expected.cooldown);
    if (expected.seconds === null) expect(until).toBeNull();
    else {
      // The file rounds up to whole seconds.
      expect(Date.parse(until as string)).toBeGreaterThanOrEqual(startedAt + expected.seconds * 1000);
      expect(Date.parse(until as string)).toBeLessThanOrEqual(endedAt + expected.seconds * 1000 + 1000);
    }
  });
});

describe('a request that is itself wrong', () => {
  const times = sized(40, 1000);
  it.each(CALLER)(
    `${times} times %s: it is answered as it is, by the first key, and no key is blamed`,
    async (name) => {
      await beginAnew();
      for (const account of ['a', 'b']) place.simulator.account(account).fail(name);
      const before = await countOf('a');
      const statuses = new Set<number | null>();
      await inParallel(times, 8, async (n) => {
        statuses.add((await sendChat(url, chat(n))).status);
      });
      expect([...statuses]).toHaveLength(1);
      expect([400, 403, 404]).toContain([...statuses][0]);
      expect(calls().map(({ account }) => account)).toEqual(Array(times).fill('a'));
      const { keys } = await place.state((state) => (state.keys.a?.request_count ?? 0) >= before + times);
      expect(keys.a).toMatchObject(CLEAN);
      measured('right blame, caller', { error: name, times, penalize: 0 });
    },
    60_000,
  );
});

it('an engine that is overloaded for all blames no key, and the client gets its answer', async () => {
  await beginAnew();
  for (const account of ['a', 'b']) place.simulator.account(account).fail('overloaded');
  for (let n = 0; n < sized(5, 50); n++) expect((await sendChat(url, chat(n))).status).toBe(429);
  for (const account of ['a', 'b']) place.simulator.account(account).heal();
  expect(readChat(await sendChat(url, chat(1)), chat(1))).toMatchObject({ account: 'a' });
  const { keys } = await place.readState();
  for (const key of [keys.a, keys.b]) expect(key).toMatchObject(CLEAN);
});

it('a burst of 50 refusals at one moment counts once', async () => {
  await beginAnew();
  const account = place.simulator.account('a').fail('rate_limited').behave({ latencyMs: 300 });
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => sendChat(url, chat(n))));
  account.behave({ latencyMs: 0 });
  expect(answers.map((answer, n) => readChat(answer, chat(n))).filter((reading) => 'problem' in reading)).toEqual([]);
  expect(calls().filter(({ status }) => status === 429)).toHaveLength(50);
  const { keys } = await place.state((state) => state.keys.a?.exhausted_until != null);
  expect(keys.a).toMatchObject({ error_429: 1, exhausted_reason: 'rate' });
  // The first cooldown of a series, not the fiftieth.
  expect(Date.parse(keys.a?.exhausted_until as string)).toBeLessThan(Date.now() + 6_000);
  measured('right blame, burst', { refusals: 50, counted: keys.a?.error_429 });
});
