import { isDeepStrictEqual } from 'node:util';
import type { App } from '../app.ts';
import { loadKeys, loginsOf } from '../app-keys.ts';
import type { Key } from '../core/keys/key.ts';
import { startKeyWatch } from '../keys/auth-watch.ts';
import type { Serving } from './build.ts';

/** The keys as the files have them now; of logins, with the tokens that this process has got since. */
export type KeysNow = { now: readonly Key[] };

/** A change of the auth files is taken when two looks in a row see the same, and new requests follow it within a second. */
const KEY_WATCH_MS = 250;

/** Follows the auth files and the files of logins. `changed` is told of logins that somebody else has renewed or made anew. */
export function watchKeyFiles(
  app: App,
  { pool, log }: Serving,
  keys: KeysNow,
  changed: (renewedElsewhere: readonly Key[]) => void,
): { stop(): void } {
  let { skipped } = app.registry;
  return startKeyWatch({
    load: () => loadKeys(app.config, (secret) => app.secrets.addPassing(secret)),
    current: app.registry,
    further: loginsOf(app.config),
    intervalMs: KEY_WATCH_MS,
    onChange(registry) {
      const isNews = !isDeepStrictEqual(skipped, registry.skipped) || !sameButTokens(keys.now, registry.keys);
      const renewedElsewhere = tokensOfOthers(keys.now, registry.keys);
      ({ skipped } = registry);
      keys.now = registry.keys;
      for (const { value, login } of registry.keys) if (login === undefined) app.secrets.add(value);
      pool.replaceKeys(registry.keys);
      for (const { label } of renewedElsewhere) pool.loginReplaced(label);
      changed(renewedElsewhere);
      if (isNews) log.info('The auth files changed.', { keys: registry.keys.length, skipped: registry.skipped.length });
    },
    onError: (error) => log.warn('The auths folder cannot be read; going on with the keys known.', { reason: String(error) }),
  });
}

/** A login's token changes several times an hour, which is worth no line in the log. */
function sameButTokens(before: readonly Key[], after: readonly Key[]): boolean {
  const plain = ({ login, value, ...rest }: Key) => ({ ...rest, token: login === undefined ? value : login.isOver });
  return isDeepStrictEqual(before.map(plain), after.map(plain));
}

/**
 * Logins whose tokens somebody else has replaced: a person has logged in again, perhaps to another account, or a client has renewed
 * its own. What this process has got itself is among `before` already.
 */
function tokensOfOthers(before: readonly Key[], after: readonly Key[]): readonly Key[] {
  const known = new Map(before.map((key) => [key.hash, key]));
  return after.filter(({ hash, value, login }) => {
    const old = known.get(hash);
    if (login === undefined || old?.login === undefined || old.value === value) return false;
    return old.login.isOver || login.kind !== 'own';
  });
}
