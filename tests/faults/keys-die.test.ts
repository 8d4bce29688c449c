import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { parseErrorBody } from '../../src/core/verdicts/error-answer.ts';
import { CONSEQUENCES, judge } from '../../src/core/verdicts/verdict.ts';
import { renderError, type UpstreamError } from '../../src/simulator/errors.ts';
import { ERRORS, type ErrorName } from '../../src/simulator/simulator.ts';
import { Ledger } from '../../src/state/state-ledger.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { startTcpGate } from './tcp-gate.ts';
import { bodyOf, type Chat, inParallel, newAgent, readChat, sendChat } from './traffic.ts';

const REQUESTS = sized(600, 10_000);
const FAILING = ['a', 'b', 'c', 'd'];
/** Of one error text of one key; together about every second request of a failing key fails. */
const SHARE_EACH = 0.025;

/** Every text that is the key's or the upstream's fault; what is the caller's or the client's fault must reach the caller. */
const texts = (Object.keys(ERRORS) as ErrorName[]).filter((name) => {
  const error: UpstreamError = ERRORS[name];
  return CONSEQUENCES[judge(parseErrorBody(error.status, renderError(error, 'openai')))].next !== 'relay';
});

itSurvives(`${REQUESTS} requests over five keys of which four fail at random: no client notices`, 600_000, async (random) => {
  const gate = await startTcpGate();
  const { simulator, startProxy, openStore } = await install({
    accounts: ['a', 'b', 'c', { name: 'd', baseUrl: gate.baseUrl }, 'e'],
    // Each of the five keys may be needed.
    settings: { KMI_PROXY_FAILOVER_MAX: '4', KMI_PROXY_FIRST_BYTE_TIMEOUT_SECONDS: '1' },
  });
  gate.leadTo(simulator.port);
  for (const name of FAILING) {
    const account = simulator.account(name);
    for (const text of texts) account.fail(text, { probability: SHARE_EACH, random: random.share });
    account.behave({ latencyMs: sized(20, 60) });
    account.fail('refuse', { probability: SHARE_EACH * 2, random: random.share });
    account.fail('hang', { probability: SHARE_EACH / 10, random: random.share });
  }
  const { url } = await startProxy();
  const store = await openStore();
  const ledger = new Ledger(store);
  let isOver = false;
  // Commands beside it bring every key back, so that all of them go on failing to the end.
  const revive = async () => {
    while (!isOver) {
      for (const label of FAILING) {
        ledger.forget(label);
      }
      await store.save();
      await delay(60);
    }
  };
  const closeAndOpen = async () => {
    while (!isOver) {
      await delay(random.between(50, 250));
      await gate.close();
      await delay(random.between(50, 150));
      await gate.open();
    }
  };
  const background = Promise.all([revive(), closeAndOpen()]);
  const agent = newAgent();
  const problems: string[] = [];
  const answers = new Set<string>();
  const bodies = new Set<string>();
  const startedAt = performance.now();
  await inParallel(REQUESTS, 16, async (n) => {
    const chat: Chat = { protocol: random.pick(['openai', 'anthropic']), stream: n % 2 === 0, mark: `n${n}` };
    bodies.add(bodyOf(chat));
    const reading = readChat(await sendChat(url, chat, agent), chat);
    if ('problem' in reading) problems.push(`${n}: ${reading.problem}`);
    else answers.add(`${reading.account} ${reading.number}`);
  });
  isOver = true;
  await background;
  agent.destroy();
  const calls = simulator.received.filter(({ path }) => !/\/(?:usages|me)$/.test(path));
  const failed = calls.filter(({ status }) => status !== 200);
  expect(problems).toEqual([]);
  expect(answers.size).toBe(REQUESTS);
  // Tried again is byte for byte the same.
  expect(calls.filter(({ body }) => body.length > 0 && !bodies.has(body.toString()))).toEqual([]);
  expect(failed.length).toBeGreaterThan(sized(5, 500));
  expect(new Set(failed.map(({ account }) => account))).toEqual(new Set(FAILING));
  measured('keys die', {
    requests: REQUESTS,
    clientErrors: problems.length,
    failedAttempts: failed.length,
    seconds: Math.round((performance.now() - startedAt) / 1000),
  });
});
