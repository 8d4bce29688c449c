import { existsSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { isKimiHost } from '../core/network/kimi-hosts.ts';
import { reasonOf } from '../errors.ts';
import { isForeign } from '../files/owner.ts';
import { knownHome } from './home-folder.ts';
import { isOurName } from './known-names.ts';
import { isLoopbackHost } from './loopback.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Where settings and keys of this run are looked for. */
export type Places = {
  /** `~/.kmi`; null for a user without a home folder. */
  readonly home: string | null;
  readonly cwd: string;
  /** Only the working folder counts, as with `--here`. */
  readonly here: boolean;
};

/** Whose a folder is: `stated` by a setting, of the working folder, of the home, or `~/.kimi/_auths`, which other tools share. */
export type KeysOf = 'stated' | 'here' | 'home' | 'shared';

export function placesOf(
  cwd: string,
  { here = false, environment }: { readonly here?: boolean; readonly environment?: Variables } = {},
): Places {
  const home = knownHome(environment);
  return { home: home === null ? null : join(home, '.kmi'), cwd, here };
}

/** The env file that settings are written to while there is none. */
export function newEnvFile({ home, cwd, here }: Places): string {
  return join(here || home === null ? cwd : home, '.env');
}

/** `.env` files in the order they are looked for. The first that is kmi's is the only one that counts. */
export function envFiles({ home, cwd, here }: Places): readonly string[] {
  return [...new Set([join(cwd, '.env'), ...(here || home === null ? [] : [join(home, '.env')])])];
}

/** A project's own `.env` has nothing to say to kmi unless it sets a variable of kmi's, well spelt or not. */
export function speaksToKmi(values: Variables): boolean {
  return Object.keys(values).some(isOurName);
}

/** `_auths` of the working folder or of `~/.kmi`, whichever first holds something; else `~/.kimi/_auths` when only that is there. */
export function findAuthsDir({ home, cwd, here }: Places): { readonly path: string; readonly of: KeysOf } {
  const local = { path: resolve(cwd, '_auths'), of: 'here' } as const;
  if (here) return local;
  if (home === null) return { ...local, of: holdsKeys(local.path) ? 'here' : 'home' };
  const own = { path: join(home, '_auths'), of: 'home' } as const;
  const shared = { path: join(home, '..', '.kimi', '_auths'), of: 'shared' } as const;
  const found = [local, own].find(({ path }) => holdsKeys(path));
  return found ?? (existsSync(shared.path) && !existsSync(own.path) ? shared : own);
}

/**
 * Whether somebody put something into an auths folder. The README that lies in the checkout's, and hidden files of other tools,
 * say nothing; a folder that cannot be listed may hold keys, and must not be passed over in silence.
 */
function holdsKeys(folder: string): boolean {
  try {
    if (isForeign(statSync(folder).uid)) return false;
    return readdirSync(folder).some((name) => !/^readme\b/i.test(name) && (!name.startsWith('.') || /^\.env\b/i.test(name)));
  } catch (error) {
    return reasonOf(error) !== 'ENOENT' && reasonOf(error) !== 'ENOTDIR';
  }
}

/**
 * A `.env` that lies in a folder may have come with a project from elsewhere. It must not send keys that are kept outside of that
 * folder to a host of its choice.
 */
export function sendsKeysAstray(upstream: string, authsDir: string, cwd: string): boolean {
  const { hostname } = new URL(upstream);
  if (isLoopbackHost(hostname.replace(/^\[|\]$/g, '')) || isKimiHost(hostname)) return false;
  const below = relative(cwd, authsDir);
  return (below.startsWith('..') || isAbsolute(below)) && holdsKeys(authsDir);
}
