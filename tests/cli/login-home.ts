import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { type Finished, type RunningKmi, runKmi, startKmi } from '../support/spawn.ts';

export type LoginHome = TemporaryHome & {
  /** Runs the built binary in this home. */
  readonly kmi: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Finished>;
  /** Starts it, for a login that is under way. */
  readonly start: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<RunningKmi>;
  /** `kmi login`, confirmed for the account; `args` follow. */
  readonly logIn: (account: string, args?: readonly string[]) => Promise<Finished>;
  /** The files of logins, parsed, by their labels. */
  readonly logins: () => Promise<Readonly<Record<string, LoginFile>>>;
};

export type LoginFile = {
  readonly id: string;
  readonly label: string;
  readonly kind: string;
  readonly file: string | null;
  readonly account: string | null;
  readonly tokens?: { readonly access_token: string; readonly refresh_token: string };
} & Readonly<Record<string, unknown>>;

/** A simulator with an authorisation server that is polled every second, and accounts with an email address each. */
export async function loginSimulator(names: readonly string[], options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    accounts: names.map((name) => ({ name, keys: [`sk-kimi-${name}-0123456789abcdef`], email: `${name}@example.com` })),
    ...options,
    oauth: { intervalS: 1, ...options.oauth },
  });
  cleanUp(() => simulator.close());
  return simulator;
}

/** A home whose logins and requests go to the simulator. */
export async function loginHome(simulator: Simulator, settings: Readonly<Record<string, string>> = {}): Promise<LoginHome> {
  const home = await temporaryHome();
  const env = { ...home.env, KMI_UPSTREAM_BASE_URL: simulator.baseUrl, KMI_OAUTH_HOST: simulator.origin, ...settings };
  const start: LoginHome['start'] = (args, more = {}) => startKmi(args, { env: { ...env, ...more }, cwd: home.root });
  return {
    ...home,
    env,
    start,
    kmi: (args, more = {}) => runKmi(args, { env: { ...env, ...more }, cwd: home.root }),
    async logIn(account, args = []) {
      const running = await start(['login', ...args]);
      await confirm(simulator, account);
      const { code, signal } = await running.ended;
      return { code, signal, stdout: running.stdout(), stderr: running.stderr() };
    },
    async logins() {
      const folder = join(home.stateDir, 'logins');
      const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
      const files = await Promise.all(
        names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as LoginFile),
      );
      return Object.fromEntries(files.map((file) => [file.label, file]));
    },
  };
}

/** The person confirms the code that waits, for the account. Answers the code. */
export async function confirm({ oauth }: Simulator, account: string): Promise<string> {
  const code = await eventually(() => oauth.pending[0]);
  oauth.approve(code, account);
  return code;
}

export type Slot = {
  /** The credential file. */
  readonly file: string;
  readonly text: () => Promise<string>;
};

/**
 * A login of Kimi Code in the home, as Kimi Code keeps it (docs/kimi-api.md#oauth-files), whose token ends in `endsIn` seconds.
 * `isElsewhere`: its config names addresses where nobody answers.
 */
export async function kimiCodeLogin(
  { root }: Pick<TemporaryHome, 'root'>,
  simulator: Simulator,
  account: string,
  { endsIn = 900, isElsewhere = false }: { readonly endsIn?: number; readonly isElsewhere?: boolean } = {},
): Promise<Slot> {
  const folder = join(root, '.kimi-code');
  const config = [
    '[providers."managed:kimi-code"]',
    'type = "kimi"',
    `base_url = "${isElsewhere ? 'http://127.0.0.1:9/v1' : simulator.baseUrl}"`,
    '',
    '[providers."managed:kimi-code".oauth]',
    'storage = "file"',
    'key = "oauth/kimi-code-env-test"',
    `oauth_host = "${isElsewhere ? 'http://127.0.0.1:9' : simulator.origin}"`,
    '',
  ];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'config.toml'), config.join('\n'));
  return credential(join(folder, 'credentials'), 'kimi-code-env-test.json', simulator, account, endsIn);
}

/** A login of the old kimi-cli (docs/kimi-api.md#kimi-cli). */
export async function kimiCliLogin(
  { root }: Pick<TemporaryHome, 'root'>,
  simulator: Simulator,
  account: string,
  { endsIn = 900 }: { readonly endsIn?: number } = {},
): Promise<Slot> {
  const folder = join(root, '.kimi');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'config.toml'), `[providers."managed:kimi-code"]\nbase_url = "${simulator.baseUrl}"\n`);
  return credential(join(folder, 'credentials'), 'kimi-code.json', simulator, account, endsIn + 0.5);
}

async function credential(folder: string, name: string, simulator: Simulator, account: string, endsIn: number): Promise<Slot> {
  const { access_token, refresh_token, scope, token_type, expires_in } = simulator.oauth.issue(account);
  const endsAt = Date.now() / 1000 + endsIn;
  const expires_at = name === 'kimi-code.json' ? endsAt : Math.floor(endsAt);
  const file = join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const text = `${JSON.stringify({ access_token, refresh_token, expires_at, scope, token_type, expires_in }, null, 2)}\n`;
  await writeFile(file, text, { mode: 0o600 });
  return { file, text: () => readFile(file, 'utf8') };
}
