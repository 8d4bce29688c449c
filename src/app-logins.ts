import type { App } from './app.ts';
import { isAllowedHost } from './config/kinds.ts';
import { isLoginOver, isTokenOver, type Key } from './core/keys/key.ts';
import type { Clock } from './core/text/time.ts';
import type { FetchedHealth } from './health/usage-client.ts';
import { REGIONS } from './logins/login.ts';
import type { Logins } from './logins/logins.ts';

/** Whoever lists an API host of Kimi's means its logins, too. */
const KIMIS_OWN: ReadonlySet<string> = new Set(Object.values(REGIONS).map(({ oauthHost }) => oauthHost));

export type OpenLogins = {
  readonly logins: Logins;
  /** What was sent is answered and stored before this resolves. */
  close(): Promise<void>;
};

/** Makes and renews logins, for one run. What it sends goes out the way the proxy's requests do. */
export async function openLogins({
  config,
  clock,
  environment,
  secrets,
}: Pick<App, 'config' | 'clock' | 'environment' | 'secrets'>): Promise<OpenLogins> {
  const [{ Logins }, { plainForm }, { Upstreams }, { withFileLock }] = await Promise.all([
    import('./logins/logins.ts'),
    import('./proxy/upstream/plain-form.ts'),
    import('./proxy/upstream/upstreams.ts'),
    import('./state/file-lock.ts'),
  ]);
  const upstreams = new Upstreams(config, environment);
  const logins = new Logins({
    stateDir: config.stateDir,
    clock,
    post: (url, form, options) => plainForm(upstreams, url, form, options),
    lock: withFileLock,
    onSecret: (secret) => secrets.addPassing(secret),
    oauthHost: config.oauthHost === '' ? null : config.oauthHost,
    overridesSlots: config.oauthHostOverridesSlots,
    allowsHost: (url) => KIMIS_OWN.has(url) || isAllowedHost(url, config.upstreamAllowlist),
  });
  return {
    logins,
    async close() {
      await logins.close();
      await upstreams.destroy();
    },
  };
}

/** Gets a key's login another access token, because this one was refused or, for null, because its time is up. Null: there is none. */
export type RenewKey = (key: Key, refusedToken: string | null) => Promise<Key | null>;

/** The same for a command, which knows no key but those it has read. */
export function renewFor(logins: () => Promise<Logins>): RenewKey {
  return async (key, refusedToken) => {
    if (key.login === undefined) return null;
    const renewal = await (await logins()).renew(key.login.id, refusedToken === null ? {} : { refusedToken });
    return 'tokens' in renewal ? Object.freeze({ ...key, value: renewal.tokens.accessToken }) : null;
  };
}

type Renewing = { readonly renew: RenewKey; readonly clock: Clock };

/** The key as it can be asked with: a login whose time is up has another access token, where one is to be had. Null: a person must log in again. */
export async function withPresentToken(key: Key, { renew, clock }: Renewing): Promise<Key | null> {
  if (isLoginOver(key, clock())) return null;
  const isOver = key.login !== undefined && isTokenOver(key.login, clock());
  return isOver ? ((await renew(key, null)) ?? key) : key;
}

/** Asks `/usages` with the present access token of a login, and once more with another when that is refused. */
export async function askWithLogin(
  key: Key,
  renewing: Renewing,
  ask: (key: Key) => Promise<FetchedHealth>,
): Promise<FetchedHealth> {
  if (key.login === undefined) return ask(key);
  const first = await withPresentToken(key, renewing);
  if (first === null) return { usage: null, error: 'its login has expired', fetchedAt: renewing.clock() };
  const answer = await ask(first);
  if (answer.refusesKey !== true) return answer;
  const other = await renewing.renew(first, first.value);
  return other === null ? answer : ask(other);
}
