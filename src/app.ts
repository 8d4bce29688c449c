import { closeToOthers, sayUnreadableKeys, sayUnreadableState } from './app-folders.ts';
import { loadKeys } from './app-keys.ts';
import type { OpenLogins } from './app-logins.ts';
import { notifySecrets } from './config/notify-target.ts';
import type { Config } from './config/settings.ts';
import type { Candidate } from './core/choosing/eligibility.ts';
import type { Key } from './core/keys/key.ts';
import type { KeyHealth } from './core/quota/key-health.ts';
import { quotaProven } from './core/quota/quota-return.ts';
import { SecretSet } from './core/text/secret-set.ts';
import type { Clock } from './core/text/time.ts';
import type { TraceEvent } from './core/trace/trace-event.ts';
import type { FetchedHealth } from './health/usage-client.ts';
import type { Registry } from './keys/registry.ts';
import type { LogFile } from './log.ts';
import type { Logins } from './logins/logins.ts';
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
  /** Every key known so far, the client token, and what lets anybody send to a webhook. */
  readonly secrets: SecretSet;
  readonly store: StateStore;
  readonly ledger: Ledger;
  readonly overrides: AppOverrides;
  /** The log file of this run. */
  log(): Promise<LogFile>;
  /** Makes and renews logins. */
  logins(): Promise<Logins>;
  /** Saves the state and ends what was opened. */
  close(): Promise<void>;
};

/** Reads keys and state. Throws `state_unusable`; an auths folder without keys is no error here. */
export async function openApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const clock = overrides.clock ?? Date.now;
  if (overrides.registry === undefined && overrides.harden !== false) await closeToOthers(config, overrides.warn);
  const secrets = new SecretSet([config.proxyToken, ...notifySecrets(config.notify)]);
  const registry = overrides.registry ?? (await loadKeys(config, (secret) => secrets.addPassing(secret)));
  for (const { value, login } of registry.keys) if (login === undefined) secrets.add(value);
  if (overrides.registry === undefined) sayUnreadableKeys(registry.skipped, config, overrides.warn);
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
  const environment = overrides.environment ?? process.env;
  let opened: Promise<OpenLogins> | null = null;
  const forget = (error: unknown): never => {
    opened = null;
    throw error;
  };
  return {
    config,
    clock,
    environment,
    registry,
    secrets,
    store,
    ledger: new Ledger(store),
    overrides,
    log,
    async logins() {
      opened ??= import('./app-logins.ts').then(({ openLogins }) => openLogins({ config, clock, environment, secrets }));
      return (await opened.catch(forget)).logins;
    },
    async close() {
      await store.close();
      await (await opened)?.close();
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

/** Asks `/usages` for the keys in parallel, and saves the readings and which keys have quota. In dry-run it sends nothing and everything is full. */
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
  const { askWithLogin, renewFor } = await import('./app-logins.ts');
  const { Upstreams } = await import('./proxy/upstream/upstreams.ts');
  const upstreams = new Upstreams(app.config, app.environment);
  try {
    const health = await fetchAllHealth(keys, {
      fetch: (key) =>
        askWithLogin(key, { renew: renewFor(app.logins), clock: app.clock }, (asked) =>
          fetchUsage(asked, { now: app.clock, dispatcher: (origin) => upstreams.for(origin) }),
        ),
      now: app.clock,
      ...(onResult === undefined ? {} : { onResult }),
    });
    app.ledger.quotaSeen(quotaProven(health, keys, app.registry.keys, app.store));
    const { saveQuotaReadings } = await import('./state/quota-file.ts');
    await saveQuotaReadings({ stateDir: app.config.stateDir, clock: app.clock }, keys, health);
    return health;
  } finally {
    await upstreams.destroy();
  }
}
