import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { eventually } from '../support/eventually.ts';
import { addLogin, tokensOf } from '../support/logins.ts';
import { runKmi } from '../support/spawn.ts';
import { measured, sized } from './form.ts';
import { type Installation, install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { type Chat, newAgent, readChat, sendChat } from './traffic.ts';

const LOGINS = ['l1', 'l2', 'l3', 'l4', 'l5'];
const KEYS = ['k1', 'k2', 'k3'];
const LIFE_S = 20;
const LOAD_MS = sized(25_000, 600_000);
const RENEWALS = sized(24, 300);

/** Each renewal took the pair that the one before it brought, and none came before its time. */
function expectOneGrantPerRenewal({ oauth }: Simulator): void {
  const sent = oauth.grants.map(({ refreshToken }) => refreshToken);
  expect(new Set(sent).size).toBe(sent.length);
  expect(oauth.reused).toBe(0);
  expect(oauth.refused).toBe(0);
  for (const { lifeLeftShare } of oauth.grants) expect(lifeLeftShare).toBeLessThanOrEqual(0.7);
}

/** What each login's file holds is what the authorisation server would take. */
async function expectNoneLost({ home, simulator }: Installation, labels: readonly string[]): Promise<void> {
  for (const label of labels) {
    await eventually(async () => {
      const { refresh_token: token } = await tokensOf(home, label);
      if (!simulator.oauth.isLive(token)) throw new Error(`The pair of ${label} is lost.`);
      return true;
    });
  }
}

itSurvives(
  `five logins whose tokens live ${LIFE_S} s and three keys under faults for ${LOAD_MS / 1000} s: no client notices`,
  LOAD_MS + 60_000,
  async (random) => {
    const installation = await install({
      accounts: KEYS,
      logins: LOGINS,
      simulator: { oauth: { accessLifetimeS: LIFE_S } },
      settings: { KMI_PROXY_FAILOVER_MAX: '7', KMI_ROTATION_COOLDOWN_SECONDS: '1' },
    });
    const { simulator } = installation;
    for (const name of ['k1', 'k2', 'l1', 'l2']) {
      for (const error of ['rate_limited', 'unavailable', 'overloaded'] as const)
        simulator.account(name).fail(error, { probability: 0.03, random: random.share });
      simulator.account(name).fail('refuse', { probability: 0.02, random: random.share });
    }
    simulator.oauth.fail({ status: 503 }, { probability: 0.1, random: random.share });
    const { url } = await installation.startProxy();
    const agent = newAgent();
    const problems: string[] = [];
    const serving = new Set<string>();
    const endAt = performance.now() + LOAD_MS;
    let count = 0;
    const client = async () => {
      while (performance.now() < endAt) {
        count += 1;
        const chat: Chat = { protocol: random.pick(['openai', 'anthropic']), stream: random.share() < 0.5, mark: `n${count}` };
        const reading = readChat(await sendChat(url, chat, agent), chat);
        if ('problem' in reading) problems.push(reading.problem);
        else serving.add(reading.account);
        await delay(random.between(10, 60));
      }
    };
    const endAccess = async () => {
      while (performance.now() < endAt) {
        await delay(random.between(3_000, 9_000));
        simulator.oauth.endAccess(random.pick(LOGINS));
      }
    };
    await Promise.all([...Array.from({ length: 8 }, client), endAccess()]);
    agent.destroy();
    expect(problems).toEqual([]);
    expect([...serving].sort()).toEqual([...KEYS, ...LOGINS].sort());
    await expectNoneLost(installation, LOGINS);
    const sent = simulator.oauth.grants.map(({ refreshToken }) => refreshToken);
    expect(new Set(sent).size).toBe(sent.length);
    expect(simulator.oauth.reused).toBe(0);
    expect(simulator.oauth.renewals()).toBeGreaterThanOrEqual((LOGINS.length * LOAD_MS) / 1000 / LIFE_S);
    measured('logins under load', {
      requests: count,
      clientErrors: problems.length,
      renewals: simulator.oauth.renewals(),
      reused: 0,
    });
  },
);

const AWAY_MS = sized(5_000, 300_000);

itSurvives(
  `the authorisation server is away for ${AWAY_MS / 1000} s while the tokens are good: no client notices`,
  AWAY_MS + 60_000,
  async (random) => {
    const installation = await install({ accounts: [], logins: ['l1', 'l2'], simulator: { oauth: { accessLifetimeS: 900 } } });
    const { simulator, home } = installation;
    // A third of their lives is left: the proxy wants new ones from the start.
    for (const account of ['l1', 'l2']) await addLogin(home, simulator, account, { endsIn: AWAY_MS / 1000 + 30 });
    for (const what of ['refuse', { status: 502 }, 'hang'] as const)
      simulator.oauth.fail(what, { probability: 0.4, random: random.share });
    simulator.oauth.fail({ status: 503 });
    const { url } = await installation.startProxy();
    const agent = newAgent();
    const problems: string[] = [];
    const endAt = performance.now() + AWAY_MS;
    let count = 0;
    while (performance.now() < endAt) {
      count += 1;
      const chat: Chat = { protocol: random.pick(['openai', 'anthropic']), stream: count % 2 === 0, mark: `n${count}` };
      const reading = readChat(await sendChat(url, chat, agent), chat);
      if ('problem' in reading) problems.push(reading.problem);
      await delay(20);
    }
    agent.destroy();
    expect(problems).toEqual([]);
    expect(simulator.oauth.grants).toEqual([]);
    expect(simulator.oauth.received.length).toBeGreaterThan(0);
    measured('authorisation server away', {
      seconds: AWAY_MS / 1000,
      requests: count,
      clientErrors: problems.length,
      refusedTries: simulator.oauth.received.length,
    });
  },
);

itSurvives(
  `two proxies and looping \`kmi health\` on one state folder renew ${RENEWALS} times: one grant each`,
  sized(120_000, 1_800_000),
  async () => {
    const installation = await install({
      accounts: ['k1'],
      logins: ['l1', 'l2', 'l3'],
      simulator: { oauth: { accessLifetimeS: 5 } },
    });
    const { simulator, env, home } = installation;
    const [one, two] = await Promise.all([installation.startProxy(), installation.startProxy()]);
    let isOver = false;
    let health = 0;
    const look = async () => {
      while (!isOver) {
        const { code, stderr } = await runKmi(['health', '--json'], { env, cwd: home.root });
        expect([code, stderr]).toEqual([0, '']);
        health += 1;
      }
    };
    const chat: Chat = { protocol: 'openai', stream: true, mark: 'x' };
    const ask = async (url: string) => {
      while (!isOver) {
        expect(readChat(await sendChat(url, chat), chat)).toHaveProperty('account');
        await delay(50);
      }
    };
    const background = Promise.all([look(), ask(one.url), ask(two.url)]);
    await eventually(
      () => {
        if (simulator.oauth.renewals() < RENEWALS) throw new Error(`${simulator.oauth.renewals()} renewals.`);
        return true;
      },
      sized(110_000, 1_700_000),
    ).finally(() => {
      isOver = true;
    });
    await background;
    expectOneGrantPerRenewal(simulator);
    await expectNoneLost(installation, ['l1', 'l2', 'l3']);
    measured('two proxies and health', {
      renewals: simulator.oauth.renewals(),
      reused: simulator.oauth.reused,
      healthRuns: health,
    });
  },
);
