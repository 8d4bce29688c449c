import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defaultConfig } from '../../src/config/settings.ts';
import { fingerprintOf, type Login, type TokenPair } from '../../src/logins/login.ts';
import { loginPath } from '../../src/logins/login-store.ts';
import { Logins, type LoginsOptions, type PostForm } from '../../src/logins/logins.ts';
import { renderCredential } from '../../src/logins/token-pair.ts';
import { plainForm } from '../../src/proxy/upstream/plain-form.ts';
import { Upstreams } from '../../src/proxy/upstream/upstreams.ts';
import type { OAuthBehaviour } from '../../src/simulator/oauth-behaviour.ts';
import { type Simulator, startSimulator, type TokenAnswer } from '../../src/simulator/simulator.ts';
import { withFileLock } from '../../src/state/file-lock.ts';
import { cleanUp } from '../support/cleanup.ts';

/** A folder of its own, removed when the test file is done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-logins-'));
  cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return folder;
}

export type Stage = {
  readonly simulator: Simulator;
  readonly stateDir: string;
  /** Home of Kimi Code. */
  readonly codeHome: string;
  /** Every token and device code that was told. */
  readonly secrets: Set<string>;
  readonly post: PostForm;
  readonly logins: Logins;
  /** Another one at the same state folder, as in another process. */
  readonly another: (options?: Partial<LoginsOptions>) => Logins;
  /** An own login of an account, with tokens that the server has just issued. */
  readonly addOwn: (account?: string, change?: Partial<Login>) => Promise<Added>;
  /** A login of Kimi Code, with the slot's file as Kimi Code writes it. */
  readonly addSlot: (account?: string, slot?: string) => Promise<Added & { readonly file: string }>;
};

export type Added = { readonly login: Login; readonly tokens: TokenPair };

/** The accounts `ada` and `ben`, an authorisation server, and a state folder without logins. */
export async function loginStage(oauth: Partial<OAuthBehaviour> = {}): Promise<Stage> {
  const simulator = await startSimulator({
    accounts: [
      { name: 'ada', keys: ['sk-ada'] },
      { name: 'ben', keys: ['sk-ben'] },
    ],
    oauth,
  });
  const upstreams = new Upstreams(defaultConfig(), {});
  cleanUp(async () => {
    await upstreams.destroy();
    await simulator.close();
  });
  const [stateDir, codeHome] = await Promise.all([temporaryFolder(), temporaryFolder()]);
  const secrets = new Set<string>();
  const post: PostForm = (url, form, options) => plainForm(upstreams, url, form, options);
  const another = (options: Partial<LoginsOptions> = {}) =>
    new Logins({
      stateDir,
      clock: Date.now,
      post,
      lock: withFileLock,
      onSecret: (secret) => secrets.add(secret),
      oauthHost: null,
      overridesSlots: false,
      ...options,
    });
  const logins = another();
  const base = { region: 'mainland-cn', oauthHost: simulator.origin, baseUrl: simulator.baseUrl, email: null } as const;
  const rank = { priority: 0, weight: 100, disabled: false } as const;
  return {
    simulator,
    stateDir,
    codeHome,
    secrets,
    post,
    logins,
    another,
    addOwn: async (account = 'ada', change = {}) => {
      const tokens = pairOf(simulator.oauth.issue(account));
      const login = await logins.add(
        { ...base, ...rank, kind: 'own', label: account, account: `account-${account}`, file: null, ...change },
        tokens,
      );
      return { login, tokens };
    },
    addSlot: async (account = 'ada', slot = 'kimi-code') => {
      const tokens = pairOf(simulator.oauth.issue(account));
      const file = join(codeHome, 'credentials', `${slot}.json`);
      await writeSlot(file, tokens);
      const login = await logins.add({ ...base, ...rank, kind: 'kimi-code', label: account, account: null, file }, null);
      return { login, tokens, file };
    },
  };
}

/** As Kimi Code reads a pair from the server's answer. */
export function pairOf(answer: TokenAnswer, now = Date.now()): TokenPair {
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token,
    expiresAt: Math.floor(now / 1000) + answer.expires_in,
    expiresIn: answer.expires_in,
    scope: answer.scope,
    tokenType: answer.token_type,
  };
}

export const TOMBSTONE: TokenPair = {
  accessToken: '',
  refreshToken: '',
  expiresAt: null,
  expiresIn: null,
  scope: 'kimi-code',
  tokenType: 'Bearer',
};

export async function writeSlot(file: string, tokens: TokenPair): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, renderCredential(tokens), { mode: 0o600 });
}

/** The parsed file of a login. */
export async function fileOf(
  stateDir: string,
  id: string,
): Promise<Record<string, unknown> & { tokens: Record<string, unknown> }> {
  return JSON.parse(await readFile(loginPath(stateDir, id), 'utf8'));
}

export const fingerprints = ({ accessToken, refreshToken }: TokenPair) => [
  fingerprintOf(accessToken),
  fingerprintOf(refreshToken),
];
