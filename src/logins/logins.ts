import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_WEIGHT } from '../core/keys/key.ts';
import type { Clock } from '../core/text/time.ts';
import { KmiError } from '../errors.ts';
import { makePrivateFolder, removeLeftovers } from '../files/private.ts';
import type { DeviceCode } from './device-login.ts';
import type { ClientLogin, Login, TokenPair } from './login.ts';
import type { LoginFile } from './login-file.ts';
import { listLogins, loginPath, loginsFolder, readLogin, writeLogin } from './login-store.ts';
import type { OauthNet, PostForm } from './oauth-client.ts';
import type { Renewal, RenewalLimits, Unwritten } from './renew.ts';
import type { FileLock } from './token-home.ts';

export type { DeviceCode } from './device-login.ts';
export type { PostForm } from './oauth-client.ts';
export type { Renewal } from './renew.ts';
export type { FileLock } from './token-home.ts';

export type LoginsOptions = {
  readonly stateDir: string;
  /** Epoch ms. */
  readonly clock: Clock;
  readonly post: PostForm;
  readonly lock: FileLock;
  /** Told of every token and device code that this process reads or gets. */
  readonly onSecret: (secret: string) => void;
  /** Where a Kimi client's login is renewed instead of at its own host, if `overridesSlots`. An own login names its host itself. */
  readonly oauthHost: string | null;
  readonly overridesSlots: boolean;
  /** Whether tokens may be sent to the authorisation server at this address. Default: to any. */
  readonly allowsHost?: (url: string) => boolean;
  /** Default `RENEWAL_LIMITS`. */
  readonly limits?: RenewalLimits;
};

export type RenewOptions = {
  /** An access token that got a 401: it is renewed although not due, unless another one is there by now. */
  readonly refusedToken?: string;
  /** Due with less than this share of its life left. Default 0.5; at most 0.7. */
  readonly dueShare?: number;
};

type NewLogin = Omit<Login, 'id' | 'createdAt' | 'refused'>;
type Draft = Login & ClientLogin;
type Flight = { readonly refusedToken: string | undefined; readonly renewal: Promise<Renewal> };

/** Longer than a renewal may hold a login. */
const EDIT_WAIT_MS = 60_000;

/**
 * The logins of a state folder: THE place that writes their files, and that renews tokens. Every write happens under the login's lock, on
 * what the file says by then.
 */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #flights = new Map<string, Flight>();
  readonly #unwritten: Unwritten = new Map();
  /** What is renewed before it is stored, by the id under which that happens. */
  readonly #drafts = new Map<string, Draft>();
  readonly #grants = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /** Renews the login's tokens where that is wanted. One renewal of a login at a time; who comes later shares it. Never throws. */
  async renew(id: string, options: RenewOptions = {}): Promise<Renewal> {
    for (;;) {
      const flight = this.#flights.get(id);
      if (flight === undefined) break;
      const renewal = await flight.renewal;
      if (answers(renewal, flight, options)) return renewal;
    }
    const renewal = this.#renewAlone(id, options).finally(() => this.#flights.delete(id));
    this.#flights.set(id, { refusedToken: options.refusedToken, renewal });
    return renewal;
  }

  /**
   * Renews a client's login that is to be added, because whose it is can be asked only with a token that is in force. Stores nothing of it
   * in the state. Throws what the file system says of the folder of logins.
   */
  async renewBeforeAdding(login: ClientLogin): Promise<Renewal> {
    await makePrivateFolder(loginsFolder(this.#options.stateDir));
    // If it is stored, other processes renew it under this id.
    const [stored] = await this.#sameAs({ account: null, file: login.file });
    const id = stored ?? (await this.#freeId());
    this.#drafts.set(id, Object.freeze({ ...NOTHING_KNOWN, ...login, id }));
    const renewal = await this.renew(id);
    // Tokens that could not be written are still to be.
    if (!this.#unwritten.has(id)) this.#drafts.delete(id);
    return renewal;
  }

  async #renewAlone(id: string, { refusedToken, dueShare }: RenewOptions): Promise<Renewal> {
    const { stateDir, lock, limits, oauthHost, overridesSlots } = this.#options;
    const draft = this.#drafts.get(id);
    const [file, { renewTokens, RENEWAL_LIMITS }, { tokenHomeOf, unstoredHome }] = await Promise.all([
      draft === undefined ? readLogin(stateDir, id) : { login: draft },
      import('./renew.ts'),
      import('./token-home.ts'),
    ]);
    if (file === 'missing') return { kind: 'gone' };
    if ('broken' in file) return { kind: 'failed', reason: file.broken.detail };
    const { login } = file;
    const host = login.kind !== 'own' && overridesSlots && oauthHost !== null ? oauthHost : login.oauthHost;
    if (this.#options.allowsHost?.(host) === false) return { kind: 'failed', reason: notAllowed(host) };
    const homeOptions = { stateDir, lock };
    return renewTokens({
      id,
      refusedToken,
      dueShare,
      home: draft === undefined ? tokenHomeOf(login, homeOptions) : unstoredHome(draft, draft.file, homeOptions),
      host,
      net: this.#net(),
      limits: limits ?? RENEWAL_LIMITS,
      unwritten: this.#unwritten,
      stopping: this.#stopping.signal,
      onGrant: (work) => {
        this.#grants.add(work);
        const end = () => this.#grants.delete(work);
        work.then(end, end);
      },
    });
  }

  /**
   * Stores an account that has logged in, its tokens or the client's file that holds them. It replaces the logins `instead`, and those of
   * the same account or file; the first of them keeps its id.
   */
  async add(login: NewLogin, tokens: TokenPair | null, instead: readonly string[] = []): Promise<Login> {
    const { stateDir, lock, clock } = this.#options;
    const folder = loginsFolder(stateDir);
    await makePrivateFolder(folder);
    return lock(
      join(folder, 'add'),
      async () => {
        const [first, ...others] = await this.#sameAs(login, instead);
        // Tokens that were got for it and are not written yet are known by that id.
        const draft = [...this.#drafts.values()].find(({ file }) => file === login.file);
        const id = first ?? draft?.id ?? (await this.#freeId());
        const added: Login = Object.freeze({ ...login, id, createdAt: Math.floor(clock() / 1000), refused: null });
        await this.#locked(id, () => writeLogin(stateDir, { login: added, tokens: login.file === null ? tokens : null }));
        this.#drafts.delete(id);
        for (const other of others) await this.remove(other);
        return added;
      },
      { waitMs: EDIT_WAIT_MS },
    );
  }

  async edit(id: string, change: Partial<Pick<Login, 'label' | 'disabled' | 'weight' | 'priority'>>): Promise<void> {
    await this.#locked(id, async () => {
      const file = await this.#mustRead(id);
      await writeLogin(this.#options.stateDir, { ...file, login: { ...file.login, ...change } });
    });
  }

  /** Forgets the login. A client's credential file stays as it is. */
  async remove(id: string): Promise<void> {
    const path = loginPath(this.#options.stateDir, id);
    await this.#locked(id, async () => {
      await removeLeftovers(path);
      await rm(path, { force: true });
    });
  }

  /** Logs in by a code that a person confirms in a browser (RFC 8628). Throws `login_failed`, also when the signal aborts. */
  async logInByDevice(
    oauthHost: string,
    handlers: { readonly onCode: (code: DeviceCode) => void; readonly signal: AbortSignal },
  ): Promise<TokenPair> {
    if (this.#options.allowsHost?.(oauthHost) === false) throw new KmiError('login_failed', notAllowed(oauthHost));
    const { loginByDevice } = await import('./device-login.ts');
    return loginByDevice(this.#net(), oauthHost, handlers);
  }

  /** Sends no refresh token any more; resolves when what was sent has been answered and stored. A process must not end before. */
  async close(): Promise<void> {
    this.#stopping.abort();
    while (this.#grants.size > 0) await Promise.allSettled(this.#grants);
    await Promise.all([...this.#unwritten.keys()].map((id) => this.renew(id)));
  }

  #net(): OauthNet {
    const { post, clock, onSecret, stateDir } = this.#options;
    const headers = async () => (await import('./identity.ts')).identityHeaders(stateDir);
    return { post, clock, onSecret, headers };
  }

  async #locked<Result>(id: string, work: () => Promise<Result>): Promise<Result> {
    return this.#options.lock(loginPath(this.#options.stateDir, id), work, { waitMs: EDIT_WAIT_MS });
  }

  /** Ids of the logins that a new one replaces, `instead` first. */
  async #sameAs(
    { account, file }: Pick<NewLogin, 'account' | 'file'>,
    instead: readonly string[] = [],
  ): Promise<readonly string[]> {
    const ids = await listLogins(this.#options.stateDir);
    const files = await Promise.all(ids.map((id) => readLogin(this.#options.stateDir, id)));
    const same = files.flatMap((read) => {
      if (read === 'missing' || 'broken' in read) return [];
      const isSame = (account !== null && read.login.account === account) || (file !== null && read.login.file === file);
      return isSame ? [read.login.id] : [];
    });
    return [...new Set([...instead.filter((id) => ids.includes(id)), ...same])];
  }

  async #freeId(): Promise<string> {
    const taken = await listLogins(this.#options.stateDir);
    for (;;) {
      const id = randomBytes(4).toString('hex');
      if (!taken.includes(id)) return id;
    }
  }

  async #mustRead(id: string): Promise<LoginFile> {
    const file = await readLogin(this.#options.stateDir, id);
    if (file === 'missing') throw new KmiError('unknown_key', 'The login is not there any more.');
    if ('broken' in file)
      throw new KmiError(
        'state_unusable',
        `The login in ${loginPath(this.#options.stateDir, id)} is broken. ${file.broken.detail}`,
      );
    return file;
  }
}

function notAllowed(host: string): string {
  return `KMI_UPSTREAM_ALLOWLIST does not list the authorisation server ${new URL(host).hostname}.`;
}

/** Of a login that is not stored. */
const NOTHING_KNOWN = {
  ...{ label: '', account: null, email: null, priority: 0, weight: DEFAULT_WEIGHT, disabled: false },
  ...{ createdAt: 0, refused: null },
} as const;

/** Whether a renewal that was under way is what another caller wanted, who may have met a 401 with the very token it found current. */
function answers(renewal: Renewal, flight: Flight, { refusedToken }: RenewOptions): boolean {
  if (refusedToken === undefined || flight.refusedToken === refusedToken) return true;
  if (renewal.kind === 'renewed' || renewal.kind === 'current') return renewal.tokens.accessToken !== refusedToken;
  return true;
}
