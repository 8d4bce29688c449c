import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { ReceivedRequest } from '../../src/simulator/simulator.ts';
import { answeredChats, readBooks } from '../support/stated-books.ts';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { KimiAgent } from './kimi-agent.ts';
import { kimiEnvironment } from './kimi-environment.ts';
import { startProxiedSimulator } from './proxied-simulator.ts';

/**
 * Real Kimi Code sessions over a pool and over one key: what the pool costs in cached tokens. A context begins with some
 * 19,000 tokens of system prompt and tools and grows by some 1,000 a prompt.
 */

const FIVE = ['ada', 'ben', 'cem', 'dora', 'eva'];
/** The sessions of one run: at least so many, more until each account has had one. */
const SESSIONS_MIN = 12;
const SESSIONS_MAX = 60;
const PROMPTS_BEFORE = 10;
const PROMPTS_AFTER = 10;
const PASTED = 'const total = rows.reduce((sum, { tokens }) => sum + tokens, 0);\n'.repeat(60);

let clients: InstalledClients;

beforeAll(async () => {
  clients = await installClients();
});

type Course = {
  readonly sessions: number;
  readonly requests: number;
  readonly inputTokens: number;
  readonly cachedShare: number;
  /** Sessions that each account has answered. */
  readonly sessionsOf: Readonly<Record<string, number>>;
  /** Sessions that more than one account has answered. */
  readonly moved: number;
};

/**
 * Two sessions at a time, one pair after the other; then Kimi Code is started anew and goes on with all of them in the same
 * way. Soon after, in a pool, an account with a middling number of sessions runs out of quota, in the middle of one of them.
 */
async function play(
  strategy: string,
  accounts: readonly string[],
  isEnough: (sessions: number, used: number) => boolean,
): Promise<Course> {
  const proxied = await startProxiedSimulator({ KMI_ROTATE_STRATEGY: strategy }, accounts);
  const { home, simulator } = proxied;
  const cwd = await mkdtemp(join(home.root, 'kimi-'));
  const env = kimiEnvironment(clients, cwd, proxied.url);
  const start = () => KimiAgent.start(join(clients.binFolder, 'kimi'), { cwd, env });
  const work = async (agent: KimiAgent, session: string, prompts: number) => {
    for (let n = 1; n <= prompts; n += 1)
      expect(await agent.prompt(session, `Step ${n}: ${PASTED}`)).toMatch(/^Hello from account/);
  };

  let agent = await start();
  const sessions: string[] = [];
  while (!isEnough(sessions.length, Object.keys(courseOf(simulator.received).sessionsOf).length)) {
    const pair = [await agent.open(), await agent.open()];
    sessions.push(...pair);
    await Promise.all(pair.map((session) => work(agent, session, PROMPTS_BEFORE)));
  }
  await agent.stop();
  agent = await start();
  // Not by chance the one with the most sessions, nor the least.
  const dying = accounts.length > 1 ? medianAccount(courseOf(simulator.received)) : null;
  const isFirst = (session: string) => accountOf(simulator.received, session) === dying;
  const inTurn = [...sessions.filter(isFirst), ...sessions.filter((session) => !isFirst(session))];
  for (let n = 0; n < inTurn.length; n += 2) {
    const pair = inTurn.slice(n, n + 2);
    for (const session of pair) await agent.resume(session);
    const half = Math.floor(PROMPTS_AFTER / 2);
    await Promise.all(pair.map((session) => work(agent, session, half)));
    if (n === 0 && dying !== null) simulator.account(dying).setQuota({ fiveHour: { limit: 1, used: 1 } });
    await Promise.all(pair.map((session) => work(agent, session, PROMPTS_AFTER - half)));
  }
  await agent.stop();
  const course = courseOf(simulator.received);
  await proxied.stop();
  // Kimi Code's own tokens, as the proxy counted them.
  const { total } = await readBooks(home.env, 'key');
  expect(total).toMatchObject({ requests: course.requests, input_tokens: course.inputTokens });
  return course;
}

/** Read near the end, where Kimi Code has it: bodies are large and there are many. */
const sessionOf = ({ body }: ReceivedRequest) =>
  /"prompt_cache_key":"([^"]+)"/.exec(body.toString('latin1', body.length - 1_000))?.[1] ?? '';

/** The account that answered the session last. */
function accountOf(received: readonly ReceivedRequest[], session: string | undefined): string {
  return answeredChats(received).findLast((request) => sessionOf(request) === session)?.account ?? '';
}

/** The account with a middling number of sessions. */
function medianAccount({ sessionsOf }: Course): string {
  const names = Object.keys(sessionsOf).toSorted((one, other) => (sessionsOf[one] ?? 0) - (sessionsOf[other] ?? 0));
  return names[Math.floor(names.length / 2)] ?? '';
}

function courseOf(received: readonly ReceivedRequest[]): Course {
  const chats = answeredChats(received);
  const accountsOf = new Map<string, Set<string>>();
  let inputTokens = 0;
  let cachedTokens = 0;
  for (const chat of chats) {
    const session = sessionOf(chat);
    const accounts = accountsOf.get(session) ?? new Set();
    accountsOf.set(session, accounts.add(chat.account ?? ''));
    inputTokens += chat.stated?.input ?? 0;
    cachedTokens += chat.stated?.cached ?? 0;
  }
  const sessionsOf: Record<string, number> = {};
  for (const accounts of accountsOf.values()) for (const name of accounts) sessionsOf[name] = (sessionsOf[name] ?? 0) + 1;
  return {
    sessions: accountsOf.size,
    requests: chats.length,
    inputTokens,
    cachedShare: cachedTokens / inputTokens,
    sessionsOf,
    moved: [...accountsOf.values()].filter(({ size }) => size > 1).length,
  };
}

it('five accounts, one of which dies midway, find as much in the cache as one key does, within 2 points', async () => {
  const isEnough = (sessions: number, used: number) => sessions >= SESSIONS_MAX || (sessions >= SESSIONS_MIN && used === 5);
  // Where a session goes is drawn from its id, so chance decides how many it takes to reach every account.
  const sticky = await play('sticky', FIVE, isEnough);
  const isAsMany = (sessions: number) => sessions === sticky.sessions;
  const quota = await play('quota', FIVE, isAsMany);
  const single = await play('round-robin', ['ada'], isAsMany);
  const dealt = await play('round-robin', FIVE, isAsMany);
  console.info({ single, sticky, quota, dealt });
  for (const pool of [sticky, quota]) {
    expect(Object.keys(pool.sessionsOf).toSorted()).toEqual(FIVE);
    expect(pool.requests).toBe(single.requests);
    expect(pool.moved).toBeGreaterThan(0);
    expect(single.cachedShare - pool.cachedShare).toBeLessThan(0.02);
  }
  // What the test would say of a pool that pays no heed to sessions.
  expect(single.cachedShare - dealt.cachedShare).toBeGreaterThan(0.1);
});
