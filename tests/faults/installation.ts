import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountSpec, type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { StateStore, statePath } from '../../src/state/store.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { addLogin } from '../support/logins.ts';
import { keyOf, type StoredState } from '../support/proxy.ts';
import { type RunningKmi, startKmi } from '../support/spawn.ts';

/** One home with keys and an upstream, on which any number of proxies and commands run. */
export type Installation = {
  readonly home: TemporaryHome;
  readonly simulator: Simulator;
  /** For commands. */
  readonly env: Readonly<Record<string, string>>;
  /** The built binary, serving. Each has a port of its own. */
  startProxy(
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly kmi: RunningKmi; readonly url: string; readonly pid: number }>;
  readState(): Promise<StoredState>;
  /** `state.json`, as soon as the predicate holds for it. */
  state(holds: (state: StoredState) => boolean, timeoutMs?: number): Promise<StoredState>;
  log(): Promise<string>;
  /** Another writer of the state, as a command is; closed with the test file. */
  openStore(): Promise<StateStore>;
};

export type InstallOptions = {
  readonly accounts: readonly (string | (Omit<AccountSpec, 'keys'> & { readonly baseUrl?: string }))[];
  /** Accounts that are logged in, and have no key. */
  readonly logins?: readonly string[];
  readonly simulator?: Partial<SimulatorOptions>;
  readonly settings?: Readonly<Record<string, string>>;
  /** Default true. */
  readonly autoRotate?: boolean;
};

export async function install({
  accounts,
  logins = [],
  simulator: options,
  settings,
  autoRotate = true,
}: InstallOptions): Promise<Installation> {
  const home = await temporaryHome();
  const specs = accounts.map((account) => (typeof account === 'string' ? { name: account } : account));
  const simulator = await startSimulator({
    accounts: specs.map(({ baseUrl: _, ...spec }: Omit<AccountSpec, 'keys'> & { baseUrl?: string }) => ({
      ...spec,
      keys: [keyOf(spec.name)],
    })),
    ...options,
  });
  cleanUp(() => simulator.close());
  for (const name of logins) {
    simulator.addAccount({ name, keys: [] });
    await addLogin(home, simulator, name);
  }
  for (const { name, baseUrl } of specs as { name: string; baseUrl?: string }[]) {
    await home.addKey({ label: name, key: keyOf(name), ...(baseUrl === undefined ? {} : { baseUrl }) });
  }
  const env = {
    ...home.env,
    KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
    KMI_DRY_RUN: '0',
    KMI_USAGE_CACHE_SECONDS: '0',
    KMI_TIMEZONE: 'UTC',
    KMI_PROXY_RETRY_BASE_MS: '20',
    KMI_AUTO_ROTATE_ALLOWED: '1',
    KMI_AUTO_ROTATE_E2E: '0',
    KMI_WRITE_CONFIG: '0',
    ...settings,
  };
  const readState = async () => JSON.parse(await readFile(statePath(home.stateDir), 'utf8')) as StoredState;
  const openStore = async () => {
    const store = await StateStore.open({ path: statePath(home.stateDir), clock: Date.now, log: { warn: () => undefined } });
    cleanUp(() => store.close());
    return store;
  };
  if (autoRotate) {
    const store = await openStore();
    store.change({ keys: new Map(), autoRotate: true });
    await store.save();
  }
  return {
    home,
    simulator,
    env,
    async startProxy(extra = {}) {
      const kmi = await startKmi(['proxy', '--foreground'], { cwd: home.root, env: { ...env, ...extra } });
      const [, url] = await kmi.waitForOutput(/serves (\S+)/, 30_000);
      return { kmi, url: url as string, pid: kmi.child.pid as number };
    },
    readState,
    state: (holds, timeoutMs = 5_000) =>
      eventually(async () => {
        const state = await readState();
        if (!holds(state)) throw new Error(`The state never became what was waited for: ${JSON.stringify(state)}`);
        return state;
      }, timeoutMs),
    log: () => readFile(join(home.stateDir, 'logs', 'kmi.log'), 'utf8').catch(() => ''),
    openStore,
  };
}
