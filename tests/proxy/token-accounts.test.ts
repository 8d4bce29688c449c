import { Agent } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { STRATEGIES, STRATEGY_FACTS } from '../../src/core/choosing/strategy.ts';
import { KnownPlaces } from '../../src/core/json/top-level-member.ts';
import { findSession, formatSession } from '../../src/core/sessions/session.ts';
import { headerOf } from '../../src/core/text/raw-headers.ts';
import type { ReceivedRequest } from '../../src/simulator/simulator.ts';
import { inParallel } from '../faults/traffic.ts';
import { keyOf, startBinaryProxy } from '../support/proxy.ts';
import { answeredChats, readBooks, sessionName, statedBooks } from '../support/stated-books.ts';
import { ACCOUNTS, BEHAVIOUR, mixedChat, planEndings, SESSIONS, sendMixed } from './mixed-chats.ts';

/** The promise's number once; the strategies differ in where requests go, not in what is counted. */
const REQUESTS = { 'round-robin': 5_000, sticky: 1_200, quota: 1_200, weighted: 1_200 };
const AT_ONCE = 32;
/** Label of a key, and the account it belongs to. */
const KEYS = { ada: 'a', anna: 'a', ben: 'b', cem: 'c' };

it.each(STRATEGIES.map((strategy) => ({ strategy, requests: REQUESTS[strategy] })))(
  "$strategy: the token accounts of $requests mixed requests are the simulator's own, to the token",
  { timeout: 120_000 },
  async ({ strategy, requests }) => {
    const labels = Object.entries(KEYS);
    const keysOf = (account: string) => labels.filter(([, of]) => of === account).map(([label]) => keyOf(label));
    const proxy = await startBinaryProxy({
      accounts: ACCOUNTS.map((name) => ({ name, keys: keysOf(name), behaviour: BEHAVIOUR })),
      autoRotate: true,
      settings: {
        KMI_ROTATE_STRATEGY: strategy,
        KMI_PROXY_RETRY_BASE_MS: '10',
        KMI_PROXY_RETRY_MAX: '3',
        KMI_PROXY_WAIT_SECONDS: '60',
        // An account that failed is soon back, so that all have their share.
        KMI_ROTATION_COOLDOWN_SECONDS: '1',
      },
      writeKeys: async (home) => {
        for (const [label] of labels) await home.addKey({ label, key: keyOf(label) });
      },
    });
    const { simulator } = proxy;
    // From then on every answer is counted for its account as well.
    const state = await proxy.state(({ keys }) => labels.every(([label]) => keys[label]?.account_id !== undefined));
    const idOf = new Map(labels.map(([label, account]) => [account, state.keys[label]?.account_id ?? '']));
    expect(new Set(Object.values(state.keys).map(({ account_id: id }) => id))).toEqual(new Set(idOf.values()));
    // One account is used up on the way.
    simulator.account('c').setQuota({ fiveHour: { limit: 40 } });
    const arrivals = planEndings(simulator);
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    onTestFinished(() => agent.destroy());
    const outcomes: Record<string, number> = {};
    await inParallel(requests, AT_ONCE, async (n) => {
      const chat = mixedChat(n);
      const outcome = `${chat.ending.kind} ${await sendMixed(proxy.url, agent, chat, arrivals)}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    });
    await simulator.waitFor(() => simulator.openResponses === 0);
    await proxy.kmi.stop();

    // What was meant to happen did. Now and then no other account is at hand, and the client gets the refusal.
    const kinds = Array.from({ length: requests }, (_, n) => mixedChat(n).ending.kind);
    const share = (kind: string, status: number | null) =>
      (outcomes[`${kind} ${status}`] ?? 0) / kinds.filter((planned) => planned === kind).length;
    for (const kind of ['whole', 'leaves', 'error-event', 'refused']) expect(share(kind, 200), kind).toBeGreaterThan(0.8);
    expect(share('leaves-early', null)).toBeGreaterThan(0.8);
    expect(share('bad-request', 400)).toBeGreaterThan(0.8);
    const chats = answeredChats(simulator.received);
    const seen = (holds: (request: ReceivedRequest) => boolean) => simulator.received.filter(holds).length;
    expect(seen(({ status }) => status === 500)).toBeGreaterThan(requests / 1_000);
    expect(seen(({ status }) => status === 429)).toBeGreaterThan(0);
    expect(seen(({ status }) => status === 403)).toBeGreaterThan(0);
    expect(seen(({ aborted, status, stated }) => aborted && status === 200 && stated === null)).toBeGreaterThan(requests / 200);
    expect(seen(({ aborted, stated }) => aborted && stated !== null)).toBeGreaterThan(requests / 30);

    const labelOf = new Map(labels.map(([label]) => [keyOf(label), label]));
    const byKey = statedBooks(chats, ({ key }) => labelOf.get(key ?? '') ?? '?');
    expect(await readBooks(proxy.home.env, 'key')).toEqual(byKey);
    // The accounts themselves say the same as their requests one by one.
    const total = (field: 'input' | 'cached' | 'output' | 'reasoning') =>
      ACCOUNTS.reduce((sum, name) => sum + simulator.account(name).stated[field], 0);
    expect(byKey.total).toEqual({
      requests: chats.length,
      input_tokens: total('input'),
      cached_tokens: total('cached'),
      output_tokens: total('output'),
      reasoning_tokens: total('reasoning'),
    });
    expect(total('cached')).toBeGreaterThan(10 * requests);
    expect(total('reasoning')).toBeGreaterThan(requests / 10);

    const byAccount = statedBooks(chats, ({ account }) => idOf.get(account ?? '') ?? null);
    expect(Object.keys(byAccount.groups)).toHaveLength(ACCOUNTS.length);
    expect(await readBooks(proxy.home.env, 'account')).toEqual(byAccount);

    const chatOf = ({ headers }: ReceivedRequest) => mixedChat(Number(headers['x-test-id']));
    // An answer names its model in its first event.
    const modelOf = (request: ReceivedRequest) => {
      const { body, ending } = chatOf(request);
      return ending.kind === 'leaves' && ending.afterEvents === 0 ? null : String(body.model);
    };
    expect(await readBooks(proxy.home.env, 'model')).toEqual(statedBooks(chats, modelOf));
    // Strategies that keep sessions know one that nobody names by its first words; the others do not look for it.
    const byHead = ({ body, rawHeaders }: ReceivedRequest) => {
      const session = !STRATEGY_FACTS[strategy].keepsSessions
        ? null
        : findSession((name) => headerOf(rawHeaders, name), [body], new KnownPlaces());
      return session === null ? null : formatSession(session.id);
    };
    const bySession = statedBooks(chats, (request) => {
      const { session } = chatOf(request);
      return session === null ? byHead(request) : sessionName(session);
    });
    if (!STRATEGY_FACTS[strategy].keepsSessions) expect(Object.keys(bySession.groups)).toHaveLength(SESSIONS + 1);
    expect(await readBooks(proxy.home.env, 'session')).toEqual(bySession);
  },
);
