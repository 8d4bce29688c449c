import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ReceivedRequest } from '../../src/simulator/simulator.ts';
import { keyOf } from '../support/proxy.ts';
import { addCounts, answeredChats, type Books, FIELDS, NO_COUNTS, readBooks, statedBooks } from '../support/stated-books.ts';
import { measured, sized } from './form.ts';
import { install } from './installation.ts';
import { itSurvives } from './seeded.ts';
import { newAgent, readChat, sendChat } from './traffic.ts';

const KILLS = sized(4, 100);
/** What is read for so long is saved; a busy machine needs longer for it. */
const SAVED_WITHIN_MS = sized(2_500, 1_000);
const ACCOUNTS = ['a', 'b', 'c'];
const chat = { protocol: 'openai', stream: false, mark: 'x' } as const;

itSurvives(
  `kill -9 at ${KILLS} moments under load: the token accounts lack at most the last second, and count nothing twice`,
  600_000,
  async (random) => {
    const { home, simulator, startProxy } = await install({ accounts: ACCOUNTS });
    const labelOf = ({ key }: ReceivedRequest) => ACCOUNTS.find((account) => keyOf(account) === key) ?? '?';
    let before: Books['groups'] = {};
    let lost = 0;
    let answered = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      simulator.received.length = 0;
      const { kmi, url } = await startProxy();
      const load = startLoad(url);
      await delay(SAVED_WITHIN_MS + random.between(200, 1_500));
      const killedAt = Date.now();
      kmi.child.kill('SIGKILL');
      await kmi.ended;
      await load.stop();
      const chats = answeredChats(simulator.received);
      // What the client has had for so long the proxy has seen the end of for as long.
      const atLeast = statedBooks(
        chats.filter((request) => (load.readAt.get(idOf(request)) ?? Number.POSITIVE_INFINITY) < killedAt - SAVED_WITHIN_MS),
        labelOf,
      );
      const atMost = statedBooks(chats, labelOf);
      const { groups } = await readBooks(home.env, 'key');
      for (const account of ACCOUNTS) {
        const known = groups[account] ?? NO_COUNTS;
        const low = addCounts(before[account] ?? NO_COUNTS, atLeast.groups[account] ?? NO_COUNTS);
        const high = addCounts(before[account] ?? NO_COUNTS, atMost.groups[account] ?? NO_COUNTS);
        for (const field of FIELDS) {
          expect(known[field], `${field} of ${account} after kill ${kill}`).toBeGreaterThanOrEqual(low[field]);
          expect(known[field], `${field} of ${account} after kill ${kill}`).toBeLessThanOrEqual(high[field]);
        }
        // Every chat takes the same number of tokens: none is counted in part.
        expect(known.input_tokens).toBe(known.requests * (chats[0]?.stated?.input ?? 0));
        expect(known.output_tokens).toBe(known.requests * 6);
        lost += high.requests - known.requests;
      }
      answered += chats.length;
      expect(atLeast.total.requests).toBeGreaterThan(0);
      before = groups;
    }
    measured('token accounts', { kills: KILLS, answered, lost });
  },
);

const idOf = ({ headers }: ReceivedRequest) => String(headers['x-test-id']);

/** Some clients, which note when they have read each answer to its end; those whose proxy dies see that. */
function startLoad(url: string): { readonly readAt: ReadonlyMap<string, number>; stop(): Promise<void> } {
  const agent = newAgent();
  const readAt = new Map<string, number>();
  let isOver = false;
  let sent = 0;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      sent += 1;
      const id = String(sent);
      const answer = await sendChat(url, chat, agent, { 'x-test-id': id });
      if (!('problem' in readChat(answer, chat))) readAt.set(id, Date.now());
    }
  });
  return {
    readAt,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}
