import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, type AppOverrides, openApp } from '../../app.ts';
import type { Config } from '../../config/settings.ts';
import { PRIVATE_FILE } from '../../files/private.ts';
import { loadRegistry } from '../../keys/registry.ts';
import { type Simulator, startSimulator } from '../../simulator/simulator.ts';

export const SIMULATED_ACCOUNTS = ['ada', 'ben', 'cleo'] as const;

export type SimulatedApp = { readonly app: App; readonly simulator: Simulator; close(): Promise<void> };

/** An app whose upstream is a simulator with three accounts, in live round-robin; its state lies in a temporary folder. */
export async function openSimulatedApp(
  config: Config,
  overrides: AppOverrides,
  settings: Partial<Config> = {},
): Promise<SimulatedApp> {
  const simulator = await startSimulator({
    accounts: SIMULATED_ACCOUNTS.map((name) => ({ name, keys: [`sk-simulated-${name}`], email: `${name}@example.com` })),
    record: false,
    // As many pieces as the answer has words, so that it is said once.
    behaviour: { latencyMs: 150, chunkPauseMs: 80, chunks: 6 },
  });
  const folder = await mkdtemp(join(tmpdir(), 'kmi-simulated-'));
  const simulated: Config = Object.freeze({
    ...config,
    authsDir: join(folder, '_auths'),
    stateDir: join(folder, 'state'),
    upstreamBaseUrl: simulator.baseUrl,
    upstreamAllowlist: [],
    dryRun: false,
    autoRotateAllowed: true,
    isSimulated: true,
    ...settings,
  });
  const { makePrivateFolder } = await import('../../files/private.ts');
  await makePrivateFolder(simulated.authsDir);
  for (const name of SIMULATED_ACCOUNTS) {
    await writeFile(join(simulated.authsDir, `${name}.env`), `KMI_API_KEY=sk-simulated-${name}\n`, { mode: PRIVATE_FILE });
  }
  const app = await openApp(simulated, { ...overrides, registry: await loadRegistry(simulated) });
  app.ledger.setAutoRotate(true);
  return {
    app,
    simulator,
    async close() {
      await simulator.close();
      // Where the proxy did not start, a save may be under way, which would fill the folder that is being removed.
      await app.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
