import type { AccountSpec } from '../../src/simulator/simulator.ts';
import { eventually } from './eventually.ts';
import { type InProcessProxy, keyOf, startTestProxy, type TestProxyOptions } from './proxy.ts';

export type AccountProxyOptions = Omit<TestProxyOptions, 'accounts'> & {
  /** Accounts with the labels of their keys, in the order of the pool. */
  readonly accounts: readonly (Omit<AccountSpec, 'keys'> & { readonly labels?: readonly string[] })[];
  /** `KMI_ROTATE_STRATEGY`; null: manual rotation. */
  readonly strategy?: string | null;
};

/** A proxy that knows the account of each of its keys, and has read `/usages` of each when it is to. */
export async function startAccountProxy({
  accounts,
  strategy = 'round-robin',
  settings,
  ...options
}: AccountProxyOptions): Promise<InProcessProxy> {
  const labels = accounts.flatMap(({ name, labels: own = [name] }) => own);
  const proxy = await startTestProxy({
    ...options,
    accounts: accounts.map(({ labels: own, ...spec }) => ({ ...spec, keys: (own ?? [spec.name]).map(keyOf) })),
    app: { learnAccounts: true, ...options.app },
    autoRotate: strategy !== null,
    settings: { ...(strategy === null ? {} : { KMI_ROTATE_STRATEGY: strategy }), ...settings },
    writeKeys: async (home) => {
      // The order of the pool is that of the priorities.
      for (const [n, label] of labels.entries()) await home.addKey({ label, key: keyOf(label), priority: 100 - n });
    },
  });
  await eventually(() => proxy.serving.pool.entries.every(({ state }) => state.account !== null) || undefined);
  if (settings?.KMI_USAGE_CACHE_SECONDS !== undefined)
    await eventually(() => proxy.serving.pool.entries.every(({ health }) => health !== null) || undefined);
  return proxy;
}

/** Another proxy for the same keys and upstream: on the same state folder too when it gets the first one's home. */
export function startSecondProxy(first: InProcessProxy, options: TestProxyOptions): Promise<InProcessProxy> {
  return startTestProxy({
    ...options,
    accounts: [],
    app: { learnAccounts: true, ...options.app },
    settings: { KMI_UPSTREAM_BASE_URL: first.simulator.baseUrl, KMI_AUTO_ROTATE_ALLOWED: '1', ...options.settings },
  });
}

/** The chats and the like that the upstream has got, as accounts in order. */
export function accountsAsked(proxy: InProcessProxy, from = 0): readonly string[] {
  return proxy
    .calls()
    .slice(from)
    .map(({ account }) => account ?? '?');
}
