import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/text/time.ts';
import { KmiError } from '../errors.ts';
import { makePrivateFolder, removeLeftovers } from '../files/private.ts';
import type { DeviceCode } from './device-login.ts';
import type { Login, TokenPair } from './login.ts';
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

  async #renewAlone(id: string, { refusedToken, dueShare }: RenewOptions): Promise<Renewal> {
    const { stateDir, lock, limits, oauthHost, overridesSlots } = this.#options;
    const [file, { renewTokens, RENEWAL_LIMITS }, { tokenHomeOf }] = await Promise.all([
      readLogin(stateDir, id),
      import('./renew.ts'),
      import('./token-home.ts'),
    ]);
    if (file === 'missing') return { kind: 'gone' };
    if ('broken' in file) return { kind: 'failed', reason: file.broken.detail };
    const { login } = file;
    const host = login.kind !== 'own' && overridesSlots && oauthHost !== null ? oauthHost : login.oauthHost;
    if (this.#options.allowsHost?.(host) === false) return { kind: 'failed', reason: notAllowed(host) };
    return renewTokens({
      id,
      refusedToken,
      dueShare,
      home: tokenHomeOf(login, { stateDir, lock }),
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
   * Stores an account that has logged in, its tokens or the client's file that holds them. The same account, or the same file, replaces
   * the login there is, which keeps its id.
   */
  async add(login: NewLogin, tokens: TokenPair | null): Promise<Login> {
    const { stateDir, lock, clock } = this.#options;
    const folder = loginsFolder(stateDir);
    await makePrivateFolder(folder);
    return lock(
      join(folder, 'add'),
      async () => {
        const [first, ...others] = await this.#sameAs(login);
        const id = first ?? (await this.#freeId());
        const added: Login = Object.freeze({ ...login, id, createdAt: Math.floor(clock() / 1000), refused: null });
        await this.#locked(id, () => writeLogin(stateDir, { login: added, tokens: login.file === null ? tokens : null }));
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

  /** Ids of the logins that a new one replaces. */
  async #sameAs({ account, file }: NewLogin): Promise<readonly string[]> {
    const ids = await listLogins(this.#options.stateDir);
    const files = await Promise.all(ids.map((id) => readLogin(this.#options.stateDir, id)));
    return files.flatMap((read) => {
      if (read === 'missing' || 'broken' in read) return [];
      const isSame = (account !== null && read.login.account === account) || (file !== null && read.login.file === file);
      return isSame ? [read.login.id] : [];
    });
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

/** Whether a renewal that was under way is what another caller wanted, who may have met a 401 with the very token it found current. */
function answers(renewal: Renewal, flight: Flight, { refusedToken }: RenewOptions): boolean {
  if (refusedToken === undefined || flight.refusedToken === refusedToken) return true;
  if (renewal.kind === 'renewed' || renewal.kind === 'current') return renewal.tokens.accessToken !== refusedToken;
  return true;
}
