import type { Config } from './config/settings.ts';
import { type FurtherKeys, loadRegistry, type Registry } from './keys/registry.ts';
import { loadLoginKeys, signLogins } from './logins/login-keys.ts';

/** Told of every token that is read, so that none is ever printed or written. */
type OnSecret = (secret: string) => void;

/** The accounts that are logged in, as keys. */
export function loginsOf({ stateDir }: Pick<Config, 'stateDir'>, onSecret?: OnSecret): FurtherKeys {
  return { load: () => loadLoginKeys(stateDir, onSecret), sign: () => signLogins(stateDir) };
}

/** Every key of these settings: those of the auths folder, and the accounts that are logged in. Never throws. */
export function loadKeys(config: Config, onSecret?: OnSecret): Promise<Registry> {
  return loadRegistry(config, loginsOf(config, onSecret));
}
