import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { TemporaryHome } from './home.ts';

export type LoginFileOptions = {
  /** Default: the account's name. */
  readonly label?: string;
  readonly disabled?: boolean;
  /** Seconds from now at which the access token ends; default: as the simulator says. */
  readonly endsIn?: number;
  /** The login of a Kimi Code, in a home below the test's, and used there. */
  readonly ofKimiCode?: boolean;
};

/** The id of the login that `addLogin` writes under this label. */
const loginIdOf = (label: string) => createHash('sha256').update(label).digest('hex').slice(0, 8);

const loginFileOf = (home: TemporaryHome, label: string) => join(home.stateDir, 'logins', `${loginIdOf(label)}.json`);

/** The credential file of the Kimi Code in the test's home. */
const slotFileOf = (home: TemporaryHome) => join(home.root, '.kimi-code', 'credentials', 'kimi-code.json');

/** Writes the file of a login of kmi's own, as if somebody had just logged in to the account. */
export async function addLogin(
  home: TemporaryHome,
  simulator: Simulator,
  account: string,
  { label = account, disabled = false, endsIn, ofKimiCode = false }: LoginFileOptions = {},
): Promise<string> {
  const tokens = simulator.oauth.issue(account);
  const now = Date.now() / 1000;
  const pair = { ...tokens, expires_at: Math.floor(now + (endsIn ?? tokens.expires_in)) };
  const login = {
    version: 1,
    id: loginIdOf(label),
    label,
    kind: ofKimiCode ? 'kimi-code' : 'own',
    region: 'mainland-cn',
    oauth_host: simulator.origin,
    base_url: simulator.baseUrl,
    account: null,
    email: null,
    priority: 0,
    weight: 100,
    disabled,
    created_at: Math.floor(now),
    refused: null,
    file: ofKimiCode ? slotFileOf(home) : null,
    ...(ofKimiCode ? {} : { tokens: pair }),
  };
  if (ofKimiCode) await writePrivate(slotFileOf(home), pair);
  const file = loginFileOf(home, label);
  await writePrivate(file, login);
  return file;
}

async function writePrivate(file: string, value: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}

/** The tokens that stand in the login's file now. */
export async function tokensOf(home: TemporaryHome, label: string): Promise<{ access_token: string; refresh_token: string }> {
  return JSON.parse(await readFile(loginFileOf(home, label), 'utf8')).tokens;
}

/** Every token that the simulator has issued to anybody and that a grant used up, with those of the files given. */
export function tokensUsed({ oauth }: Simulator): string[] {
  return oauth.grants.flatMap(({ refreshToken }) => (refreshToken === null ? [] : [refreshToken]));
}
