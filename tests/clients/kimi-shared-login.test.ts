import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect } from 'vitest';
import { measured, sized } from '../faults/form.ts';
import { itSurvives, type Random } from '../faults/seeded.ts';
import { eventually } from '../support/eventually.ts';
import { type InstalledClients, installClients } from './installed-clients.ts';
import { SharedLogin } from './shared-login.ts';

/** `npm run test:clients -- --long kimi-shared-login` runs the long form. */
const RENEWALS = sized(8, 60);
const BY_EACH = sized(2, 15);
const KILLS = sized(6, 100);

let clients: InstalledClients;

beforeAll(async () => {
  clients = await installClients();
});

itSurvives(
  `Kimi Code and the proxy share a login for ${RENEWALS} renewals, and for ${KILLS} kills of the proxy`,
  sized(240_000, 3_600_000),
  async (random) => {
    const shared = await SharedLogin.begin(clients, random);
    const { oauth } = shared.simulator;
    await shared.startProxy();
    await eventually(
      () => {
        const { all, kmi, kimiCode } = shared.renewals();
        if (all < RENEWALS || Math.min(kmi, kimiCode) < BY_EACH) throw new Error(`${kmi} by kmi, ${kimiCode} by Kimi Code.`);
        return true;
      },
      sized(90_000, 1_200_000),
    );
    shared.expectGood();
    expect([oauth.reused, oauth.refused]).toEqual([0, 0]);
    const before = shared.renewals();
    const windowsSince = shared.measureWindows();

    for (let kill = 1; kill <= KILLS; kill += 1) {
      await momentToKill(shared, random);
      await shared.kill();
    }
    await shared.end();
    shared.expectGood();
    const after = shared.renewals();
    expect(after.kmi - before.kmi).toBeGreaterThanOrEqual(BY_EACH);
    expect(after.kimiCode - before.kimiCode).toBeGreaterThanOrEqual(BY_EACH);
    // A new Kimi Code knows nothing but the file.
    const { code, stdout } = await shared.kimi.run(['-p', 'say hello']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Hello from account ada') });
    expect(oauth.isLive(await shared.slot.refreshToken())).toBe(true);

    measured('one login for Kimi Code and the proxy', {
      renewals: before,
      longestFromGrantToSlotMs: Math.max(...windowsSince()),
      kills: KILLS,
      locksLeft: shared.locksLeft,
      renewalsMeanwhile: { kmi: after.kmi - before.kmi, kimiCode: after.kimiCode - before.kimiCode },
      lostBetweenGrantAndSlot: shared.losses.length,
      killsAfterTheseGrantsMs: shared.losses.map(({ afterMs }) => afterMs),
      prompts: shared.prompts,
      chats: shared.chats,
    });
  },
);

/** Any moment, soon after somebody has taken the lock, or soon after the proxy was granted new tokens. */
async function momentToKill(shared: SharedLogin, random: Random): Promise<void> {
  const { kmi } = shared.renewals();
  // Whether it has come or not: any moment is as good.
  const whatever = () => undefined;
  switch (random.pick(['any', 'any', 'locked', 'granted'])) {
    case 'any':
      await delay(random.between(0, 4_000));
      break;
    case 'locked':
      await eventually(() => (existsSync(shared.lock) ? true : undefined), 10_000).catch(whatever);
      await delay(random.between(0, 80));
      break;
    case 'granted':
      await shared.simulator.waitFor(() => shared.renewals().kmi > kmi, 10_000).catch(whatever);
      await delay(random.between(0, 40));
  }
}
