import { stat } from 'node:fs/promises';
import { startAccountWatch } from '../accounts/account-watch.ts';
import { fetchAccountId } from '../accounts/fetch-account.ts';
import type { App } from '../app.ts';
import { askWithLogin, type RenewKey, withPresentToken } from '../app-logins.ts';
import { watchConnections } from '../connection-watch.ts';
import { activeCooldown } from '../core/keys/key-state.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import { startHealthMonitor } from '../health/monitor.ts';
import { dryRunHealth, fetchUsage } from '../health/usage-client.ts';
import { plainGet } from '../proxy/upstream/plain-get.ts';
import type { Serving } from './build.ts';
import { type KeysNow, watchKeyFiles } from './key-changes.ts';
import { type LoginKeeper, startLoginKeeper } from './login-keeper.ts';
import { startNotices } from './notices.ts';

/** How often a running proxy looks for changes that commands and editors made to state and auth files. */
const WATCH_MS = 400;

type HealthMonitor = ReturnType<typeof startHealthMonitor>;
type AccountWatch = ReturnType<typeof startAccountWatch>;

/** Starts what a serving proxy does beside requests: readings, accounts, changes of files and of the network. Returns how to stop it. */
export function startBackground(app: App, serving: Serving): () => void {
  const { proxy, pool, log, affinityFiles } = serving;
  const keys = { now: app.registry.keys };
  const logins = startLogins(app, serving, keys);
  const monitor = startHealth(app, serving, keys, logins);
  pool.useHealth(monitor);
  const accounts = app.config.dryRun || app.overrides.learnAccounts === false ? null : startAccounts(app, serving, keys, logins);
  affinityFiles.start();
  app.store.startWatching(WATCH_MS, () => pool.stateChanged());
  const authFiles =
    app.overrides.registry === undefined
      ? watchKeyFiles(app, serving, keys, (renewedElsewhere) => {
          monitor.keysChanged();
          accounts?.keysChanged(renewedElsewhere);
          logins.look();
        })
      : null;
  const stopConnectionWatch = watchConnections({
    onDoubt(why) {
      log.info(`The machine ${why === 'slept' ? 'slept' : 'changed its network'}; upstream connections are renewed.`);
      proxy.upstreams.renewAll();
      logins.look();
    },
  });
  const stopNotices = startNotices(app, serving);
  return () => {
    stopNotices();
    authFiles?.stop();
    stopConnectionWatch();
    monitor.stop();
    accounts?.stop();
    logins.stop();
  };
}

function startLogins(app: App, { pool, log }: Serving, keys: KeysNow): LoginKeeper {
  const { config, clock } = app;
  const keeper = startLoginKeeper({
    // In dry-run nothing is sent.
    keys: () => (config.dryRun ? [] : keys.now),
    renew: async (id, options) => (await app.logins()).renew(id, options),
    onKey(key) {
      app.secrets.addPassing(key.value);
      keys.now = keys.now.map((known) => (known.label === key.label && known.hash === key.hash ? key : known));
      pool.loginIs(key);
    },
    clock,
    random: Math.random,
    log,
  });
  pool.useLogins(keeper);
  return keeper;
}

function renewBy(logins: LoginKeeper): RenewKey {
  return async (key, refusedToken) => {
    const came = await logins.renew(key, refusedToken);
    return came === 'renewed' || came === 'adopted' ? logins.current(key) : null;
  };
}

function startHealth(app: App, { proxy, pool, log, quotaFile }: Serving, keys: KeysNow, logins: LoginKeeper): HealthMonitor {
  const { config, clock, store, ledger } = app;
  const renew = renewBy(logins);
  const known = config.dryRun ? new Map<string, KeyHealth>() : quotaFile.readingsOf(keys.now);
  const monitor = startHealthMonitor({
    keys: () => keys.now,
    known,
    stateOf: (label) => store.state.keys.get(label),
    fetch: async (key, signal) =>
      config.dryRun
        ? dryRunHealth(clock())
        : askWithLogin(logins.current(key), { renew, clock }, (asked) =>
            fetchUsage(asked, { now: clock, signal, dispatcher: (origin) => proxy.upstreams.for(origin) }),
          ),
    refreshMs: config.usageCacheSeconds * 1000,
    recheckMs: config.dryRun ? 0 : config.blocklistRecheckSeconds * 1000,
    recheckMax: config.blocklistRecheckMax,
    clock,
    random: Math.random,
    onHealth(key, health) {
      // After a failed call the monitor still knows the last good reading.
      pool.setHealth(key.label, monitor.health.get(key.label) ?? health);
      if (health.error !== null) return;
      if (!config.dryRun) quotaFile.record(key, health);
      // During a cooldown a reading proves nothing: the upstream refused the key's work and answered this all the same.
      if (!config.dryRun && activeCooldown(store.keyState(key.label), clock()) === null) ledger.usageAnswered(key.label);
      ledger.healthRefreshed(health.fetchedAt);
    },
    onRecheck(key, answered) {
      if (!answered) return;
      pool.answeredAgain(key.label);
      log.info('A blocked key answered again and is back.', { key_label: key.label });
    },
  });
  for (const [label, health] of monitor.health) pool.healthWas(label, health);
  return monitor;
}

function startAccounts({ clock, store }: App, { proxy, pool }: Serving, keys: KeysNow, logins: LoginKeeper): AccountWatch {
  return startAccountWatch({
    keys: () => keys.now,
    accountOf: (label) => store.keyState(label).account,
    fetch: async (key, signal) => {
      const present = await withPresentToken(logins.current(key), { renew: renewBy(logins), clock });
      return present === null ? null : fetchAccountId(present, (url, options) => plainGet(proxy.upstreams, url, options), signal);
    },
    // The file of an own login is written at each renewal; that it is another account's now, the watch tells.
    isDoubtful: async ({ login, source }, { at }) =>
      login === undefined ? ((await stat(source).catch(() => null))?.mtimeMs ?? 0) > at : login.kind !== 'own',
    onAccount: (key, account) => pool.setAccount(key.label, account),
    clock,
    random: Math.random,
  });
}
