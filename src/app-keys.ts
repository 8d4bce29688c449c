import { isAllowedHost } from './config/kinds.ts';
import type { Config } from './config/settings.ts';
import type { Key } from './core/keys/key.ts';
import { type FurtherKeys, loadRegistry, type Registry } from './keys/registry.ts';
import { loadLoginKeys, signLogins } from './logins/login-keys.ts';

/** Told of every token that is read, so that none is ever printed or written. */
type OnSecret = (secret: string) => void;

/** The accounts that are logged in, as keys; those whose API is at a host that keys may not be sent to are skipped. */
export function loginsOf(
  { stateDir, upstreamAllowlist }: Pick<Config, 'stateDir' | 'upstreamAllowlist'>,
  onSecret?: OnSecret,
): FurtherKeys {
  const isAllowed = ({ baseUrl }: Key) => isAllowedHost(baseUrl, upstreamAllowlist);
  return {
    async load() {
      const { keys, skipped } = await loadLoginKeys(stateDir, onSecret);
      const refused = keys.filter((key) => !isAllowed(key)).map(({ source: file }) => ({ file, ...NOT_ALLOWED }));
      return { keys: keys.filter(isAllowed), skipped: [...skipped, ...refused] };
    },
    sign: () => signLogins(stateDir),
  };
}

const NOT_ALLOWED = {
  reason: 'bad_url',
  detail: 'Its base URL names a host that KMI_UPSTREAM_ALLOWLIST does not list.',
} as const;

/** Every key of these settings: those of the auths folder, and the accounts that are logged in. Never throws. */
export function loadKeys(config: Config, onSecret?: OnSecret): Promise<Registry> {
  return loadRegistry(config, loginsOf(config, onSecret));
}
