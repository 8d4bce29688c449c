import { stat } from 'node:fs/promises';
import { closeToOthers, sayUnreadableKeys, sayUnreadableState } from './app-folders.ts';
import type { Config } from './config/settings.ts';
import { watchConnections } from './connection-watch.ts';
import type { Candidate } from './core/choosing/eligibility.ts';
import { rotationInForce } from './core/choosing/strategy.ts';
import { modeOf } from './core/clients/proxy-mode.ts';
import type { Key } from './core/keys/key.ts';
import { activeCooldown } from './core/keys/key-state.ts';
import type { KeyHealth } from './core/quota/key-health.ts';
import { quotaProven } from './core/quota/quota-return.ts';
import { SecretSet } from './core/text/secret-set.ts';
import type { Clock } from './core/text/time.ts';
import type { TraceEvent } from './core/trace/trace-event.ts';
import { loadDryRun } from './dry-run.ts';
import type { FetchedHealth } from './health/usage-client.ts';
import { loadRegistry, type Registry } from './keys/registry.ts';
import type { Log, LogFile } from './log.ts';
import type { KeyPool } from './proxy/pool/key-pool.ts';
import type { RunningProxy } from './proxy/server.ts';
import { Ledger } from './state/state-ledger.ts';
import { StateStore, statePath } from './state/store.ts';

export type AppOverrides = {
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Keys from elsewhere than the auths folder. */
  readonly registry?: Registry;
  /** Told of every request, after the trace. */
  readonly onTrace?: (event: TraceEvent) => void;
  /** What goes wrong without stopping a command: shown to the person. */
  readonly warn?: (message: string) => void;
  /** For a command that looks on: when the state cannot be read, that is said and the rest is shown. Default false. */
  readonly looksOn?: boolean;
  /** False leaves the permissions of the auth files as they are, for a command that reports on them. Default true. */
  readonly harden?: boolean;
  /** False asks no `/me` in the background: every key counts as an account of its own. Default true. */
  readonly learnAccounts?: boolean;
};

/** The parts of one run, built in dependency order. Heavy ones are loaded when first asked for, so that commands start fast. */
export type App = {
  readonly config: Config;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly registry: Registry;
  /** Every key known so far, and the client token. */
  readonly secrets: SecretSet;
  readonly store: StateStore;
  readonly ledger: Ledger;
  readonly overrides: AppOverrides;
  /** The log file of this run. */
  log(): Promise<LogFile>;
  /** Saves the state and ends what was opened. */
  close(): Promise<void>;
};

/** Reads keys and state. Throws `state_unusable`; an auths folder without keys is no error here. */
export async function openApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const clock = overrides.clock ?? Date.now;
  if (overrides.registry === undefined && overrides.harden !== false) await closeToOthers(config, overrides.warn);
  const registry = overrides.registry ?? (await loadRegistry(config));
  if (overrides.registry === undefined) sayUnreadableKeys(registry.skipped, config, overrides.warn);
  const secrets = new SecretSet([...registry.keys.map((key) => key.value), config.proxyToken]);
  let logFile: LogFile | null = null;
  const log = async (): Promise<LogFile> => {
    logFile ??= (await import('./log.ts')).openLogOf(config, secrets);
    return logFile;
  };
  const warn = (message: string, details: Record<string, unknown> = {}) => {
    if (logFile === null) overrides.warn?.(describe(message, details));
    else logFile.warn(message, details);
  };
  const path = statePath(config.stateDir);
  const goesOnWithout = (error: unknown) => overrides.looksOn === true && sayUnreadableState(error, config, overrides.warn);
  const store = await StateStore.open({ path, clock, log: { warn }, goesOnWithout });
  return {
    config,
    clock,
    environment: overrides.environment ?? process.env,
    registry,
    secrets,
    store,
    ledger: new Ledger(store),
    overrides,
    log,
    async close() {
      await store.close();
      await logFile?.close();
    },
  };
}

function describe(message: string, details: Record<string, unknown>): string {
  const parts = Object.entries(details).map(([name, value]) => `${name.replaceAll('_', ' ')}: ${String(value)}`);
  return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}

/** The registry's keys with their state and, where given, their health: what choosing and the views look at. */
export function candidatesOf(app: App, health: ReadonlyMap<string, KeyHealth> = new Map()): readonly Candidate[] {
  return app.registry.keys.map((key) => ({ key, state: app.store.keyState(key.label), health: health.get(key.label) ?? null }));
}

/** Asks `/usages` of the keys, side by side, and writes down who has quota; in dry-run everything is full and nobody is asked. */
export async function fetchHealth(
  app: App,
  {
    keys = app.registry.keys,
    live = !app.config.dryRun,
    onResult,
  }: { keys?: readonly Key[]; live?: boolean; onResult?: (key: Key) => void } = {},
): Promise<ReadonlyMap<string, FetchedHealth>> {
  const { dryRunHealth, fetchUsage } = await import('./health/usage-client.ts');
  if (!live) return new Map(keys.map((key) => [key.label, dryRunHealth(app.clock())]));
  const { fetchAllHealth } = await import('./health/fetch-all.ts');
  const { Upstreams } = await import('./proxy/upstream/upstreams.ts');
  const upstreams = new Upstreams(app.config, app.environment);
  try {
    const health = await fetchAllHealth(keys, {
      fetch: (key) => fetchUsage(key, { now: app.clock, dispatcher: (origin) => upstreams.for(origin) }),
      now: app.clock,
      ...(onResult === undefined ? {} : { onResult }),
    });
    app.ledger.quotaSeen(quotaProven(health, keys, app.registry.keys, app.store));
    return health;
  } finally {
    await upstreams.destroy();
  }
}

export type ServingApp = {
  readonly proxy: RunningProxy;
  readonly pool: KeyPool;
  readonly log: Log;
  /** Open streams finish; then everything is written and closed. */
  stop(): Promise<void>;
  /** Ends open streams too. */
  kill(): Promise<void>;
};

/** How often a running proxy looks for changes that commands and editors made to state and auth files. */
const WATCH_MS = 400;
/** A change of the auth files is taken when two looks in a row see the same, and new requests follow it within a second. */
const KEY_WATCH_MS = 250;

/** Starts the proxy with everything it needs in the background. Throws `unsafe_bind`, `port_in_use`. */
export async function serve(app: App): Promise<ServingApp> {
  const { config, clock, environment, ledger, store } = app;
  const [
    { startProxy },
    { KeyPool },
    { DeferredWork },
    { TraceWriter, tracePath },
    { startHealthMonitor },
    { dryRunHealth, fetchUsage },
    { startKeyWatch },
    { UsageLedger },
    { withFileLock },
    { startAccountWatch },
    { fetchAccountId },
    { plainGet },
    { AffinityFiles },
    dryRun,
  ] = await Promise.all([
    import('./proxy/server.ts'),
    import('./proxy/pool/key-pool.ts'),
    import('./proxy/record/deferred-work.ts'),
    import('./trace/writer.ts'),
    import('./health/monitor.ts'),
    import('./health/usage-client.ts'),
    import('./keys/auth-watch.ts'),
    import('./usage/usage-ledger.ts'),
    import('./state/file-lock.ts'),
    import('./accounts/account-watch.ts'),
    import('./accounts/fetch-account.ts'),
    import('./proxy/upstream/plain-get.ts'),
    import('./state/affinity-files.ts'),
    loadDryRun(config, clock),
  ]);
  const log = await app.log();
  const { stateDir, traceMaxMb: maxMb, traceBackups: backups } = config;
  const trace = new TraceWriter({ path: tracePath(stateDir), maxMb, backups, log });
  const deferred = new DeferredWork();
  const pool = new KeyPool({ config, ledger, log, clock, deferred }, app.registry.keys);
  const affinityFiles = new AffinityFiles({
    stateDir: config.stateDir,
    memory: pool.affinityStore,
    onMerged: () => pool.nameAccounts(),
    log,
  });
  await affinityFiles.sync();
  let keys = app.registry.keys;
  const record = (event: TraceEvent) => {
    trace.record(event);
    app.overrides.onTrace?.(event);
  };
  const usage = new UsageLedger({ stateDir: config.stateDir, zone: config.timezone, clock, lock: withFileLock, log });
  const rotation = () => rotationInForce(store.state, config);
  const parts = { config, pool, ledger, trace: { record }, usage, log, clock, environment, rotation, deferred, dryRun };
  const proxy = await startProxy(parts);

  const monitor = startHealthMonitor({
    keys: () => keys,
    stateOf: (label) => store.state.keys.get(label),
    fetch: async (key, signal) =>
      config.dryRun
        ? dryRunHealth(clock())
        : fetchUsage(key, { now: clock, signal, dispatcher: (origin) => proxy.upstreams.for(origin) }),
    refreshMs: config.usageCacheSeconds * 1000,
    recheckMs: config.dryRun ? 0 : config.blocklistRecheckSeconds * 1000,
    recheckMax: config.blocklistRecheckMax,
    clock,
    random: Math.random,
    onHealth(key, health) {
      // After a failed call the monitor still knows the last good reading.
      pool.setHealth(key.label, monitor.health.get(key.label) ?? health);
      if (health.error !== null) return;
      // While a key rests, a reading proves nothing: the upstream refused the key's work and answered this all the same.
      if (!config.dryRun && activeCooldown(store.keyState(key.label), clock()) === null) ledger.usageAnswered(key.label);
      ledger.healthRefreshed(health.fetchedAt);
    },
    onRecheck(key, answered) {
      if (!answered) return;
      pool.answeredAgain(key.label);
      log.info('A blocked key answered again and is back.', { key_label: key.label });
    },
  });
  pool.useHealth(monitor);

  const accounts =
    config.dryRun || app.overrides.learnAccounts === false
      ? null
      : startAccountWatch({
          keys: () => keys,
          accountOf: (label) => store.keyState(label).account,
          fetch: (key, signal) => fetchAccountId(key, (url, options) => plainGet(proxy.upstreams, url, options), signal),
          isDoubtful: async ({ source }, { at }) => ((await stat(source).catch(() => null))?.mtimeMs ?? 0) > at,
          onAccount: (key, account) => pool.setAccount(key.label, account),
          clock,
          random: Math.random,
        });
  affinityFiles.start();

  store.startWatching(WATCH_MS, () => pool.stateChanged());
  const watch =
    app.overrides.registry === undefined
      ? startKeyWatch({
          load: () => loadRegistry(config),
          current: app.registry,
          intervalMs: KEY_WATCH_MS,
          onChange(registry) {
            keys = registry.keys;
            for (const { value } of keys) app.secrets.add(value);
            pool.replaceKeys(keys);
            monitor.keysChanged();
            accounts?.keysChanged();
            log.info('The auth files changed.', { keys: keys.length, skipped: registry.skipped.length });
          },
          onError: (error) =>
            log.warn('The auths folder cannot be read; going on with the keys known.', { reason: String(error) }),
        })
      : null;
  const stopConnectionWatch = watchConnections({
    onDoubt(why) {
      log.info(`The machine ${why === 'slept' ? 'slept' : 'changed its network'}; upstream connections are renewed.`);
      proxy.upstreams.renewAll();
    },
  });

  log.info('The proxy serves.', {
    url: proxy.baseUrl,
    mode: modeOf(config),
    keys: keys.length,
    pid: process.pid,
  });
  const finish = async (end: () => Promise<void>) => {
    watch?.stop();
    stopConnectionWatch();
    monitor.stop();
    accounts?.stop();
    await end();
    await affinityFiles.close();
    await trace.close();
    await usage.close();
    log.info('The proxy stopped.');
    await app.close();
  };
  return { proxy, pool, log, stop: () => finish(() => proxy.stop()), kill: () => finish(() => proxy.destroy()) };
}
