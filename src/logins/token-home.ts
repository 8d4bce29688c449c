import { reasonOf } from '../errors.ts';
import { prepareReplacement, type Replacement, removeLeftovers } from '../files/private.ts';
import { versionOf } from '../files/version.ts';
import { fingerprintOf, type Login, type TokenPair } from './login.ts';
import { renderLogin } from './login-file.ts';
import { loginPath, readCredential, readLogin, writeLogin } from './login-store.ts';
import { isSlotLockOff, type StillHeld, withSlotLock } from './slot-lock.ts';
import { renderCredential } from './token-pair.ts';

/** One writer at a time over all processes, at the file of that path. */
export type FileLock = <Result>(path: string, work: () => Promise<Result>, options?: { waitMs?: number }) => Promise<Result>;

/** `gone`: logged out, by kmi or by the client. `unreadable`: nothing can be said; the reason is a sentence. */
export type TokensThere =
  | { readonly kind: 'pair'; readonly tokens: TokenPair }
  | { readonly kind: 'tombstone' | 'gone' }
  | { readonly kind: 'unreadable'; readonly reason: string };

export type HomeReading = Exclude<TokensThere, { kind: 'pair' }> | HeldTokens;
/** The tokens of a login, and what kmi's own file says of it. */
export type HeldTokens = { readonly kind: 'pair'; readonly login: Login; readonly tokens: TokenPair };

/** Where the tokens of one login are, and how they are replaced there. */
export type TokenHome = {
  /** The login as it is on disk at this moment. */
  readonly read: () => Promise<HomeReading>;
  /** The tokens alone: a client needs its own also when kmi has forgotten the login meanwhile. */
  readonly readTokens: () => Promise<TokensThere>;
  /** Changes whenever the file with the tokens is written; null when it is gone. One `stat`. */
  readonly version: () => Promise<string | null>;
  /** Lets no other process renew this login while the work runs; throws when that cannot be had within `waitMs`. */
  readonly hold: <Result>(work: (isHeld: StillHeld) => Promise<Result>, waitMs: number) => Promise<Result>;
  /**
   * Makes ready to write, before the old tokens are given up for new ones. Throws when they could not be written. Removes what killed
   * writers left. For the holder, who commits what `render` gives, or discards.
   */
  readonly prepare: () => Promise<Replacement>;
  /** The whole text of the file with these tokens. */
  readonly render: (login: Login, tokens: TokenPair) => string;
  /** Remembers in kmi's own file that these tokens were refused for good. For the holder. */
  readonly markRefused: (login: Login, tokens: TokenPair) => Promise<void>;
};

type HomeOptions = { readonly stateDir: string; readonly lock: FileLock };

/** More than any pair takes. */
const ROOM = { roomBytes: 48 * 1024 };

export function tokenHomeOf(login: Login, options: HomeOptions): TokenHome {
  return login.file === null ? ownHome(login, options) : slotHome(login, login.file, options);
}

/** The same for a client's login that kmi has no file of, or one that says otherwise. */
export function unstoredHome(login: Login, credentialPath: string, options: HomeOptions): TokenHome {
  const home = slotHome(login, credentialPath, options);
  return {
    ...home,
    read: async () => {
      const there = await home.readTokens();
      return there.kind === 'pair' ? { ...there, login } : there;
    },
  };
}

function ownHome({ id }: Login, { stateDir, lock }: HomeOptions): TokenHome {
  const path = loginPath(stateDir, id);
  const read = async (): Promise<HomeReading> => {
    const file = await readOwnFile(stateDir, id, null);
    if ('kind' in file) return file;
    const { login, tokens } = file;
    return tokens === null ? { kind: 'gone' } : { kind: 'pair', login, tokens };
  };
  return {
    read,
    readTokens: read,
    hold: (work, waitMs) => lock(path, () => work(async () => true), { waitMs }),
    version: () => versionOf(path),
    prepare: async () => {
      await removeLeftovers(path);
      return prepareReplacement(path, ROOM);
    },
    render: (login, tokens) => renderLogin({ login: { ...login, refused: null }, tokens }),
    markRefused: (login, tokens) =>
      writeLogin(stateDir, { login: { ...login, refused: fingerprintOf(tokens.refreshToken) }, tokens }),
  };
}

/** A login of Kimi Code, in the file of Kimi Code (docs/kimi-api.md#sharing-a-login). */
function slotHome({ id }: Login, credentialPath: string, { stateDir, lock }: HomeOptions): TokenHome {
  const path = loginPath(stateDir, id);
  const readTokens = async (): Promise<TokensThere> => {
    const credential = await readCredential(credentialPath);
    if (credential.kind === 'pair' || credential.kind === 'tombstone') return credential as TokensThere;
    if (credential.kind === 'unreadable') return { kind: 'unreadable', reason: credential.problem.detail };
    // To the client a file that is no JSON is no login.
    return { kind: 'gone' };
  };
  return {
    read: async () => {
      const file = await readOwnFile(stateDir, id, credentialPath);
      if ('kind' in file) return file;
      const there = await readTokens();
      return there.kind === 'pair' ? { ...there, login: file.login } : there;
    },
    readTokens,
    hold: (work, waitMs) =>
      isSlotLockOff() ? lock(path, () => work(async () => true), { waitMs }) : withSlotLock(credentialPath, work, { waitMs }),
    version: () => versionOf(credentialPath),
    prepare: async () => {
      await removeLeftovers(credentialPath);
      return prepareReplacement(credentialPath, ROOM);
    },
    render: (_, tokens) => renderCredential(tokens),
    markRefused: async (_, tokens) => {
      const mark = async () => {
        const file = await readOwnFile(stateDir, id, credentialPath);
        if ('kind' in file) return;
        await writeLogin(stateDir, { ...file, login: { ...file.login, refused: fingerprintOf(tokens.refreshToken) } });
      };
      // Without the slot's lock, it is this one that the holder has.
      await (isSlotLockOff() ? mark() : lock(path, mark));
    },
  };
}

/** kmi's own file of the login, which must still name the credential file it named. */
async function readOwnFile(stateDir: string, id: string, credentialPath: string | null) {
  const file = await readLogin(stateDir, id);
  if (file === 'missing') return { kind: 'gone' } as const;
  if ('broken' in file) return { kind: 'unreadable', reason: file.broken.detail } as const;
  if (file.login.file === credentialPath) return file;
  return { kind: 'unreadable', reason: 'The account has logged in another way meanwhile.' } as const;
}

/** The system's code, or the name of the kind of error: neither holds a secret. */
export function codeOf(error: unknown): string {
  return error instanceof Error && !('code' in error) ? error.name : reasonOf(error);
}
