import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readRecords } from '../../src/daemon/record.ts';
import { cleanUp } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { noteNodeWarnings } from './node-warnings.ts';

export type KeyOptions = {
  readonly label: string;
  /** Default: a made-up key that holds the label. */
  readonly key?: string;
  readonly baseUrl?: string;
  readonly priority?: number;
  readonly weight?: number;
  readonly disabled?: boolean;
  readonly email?: string;
};

export type TemporaryHome = {
  /** The home folder itself; commands run here see no `.env` but one the test writes. */
  readonly root: string;
  readonly authsDir: string;
  readonly stateDir: string;
  /** For `runKmi` and `startKmi`. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes `<label>.env` into the auths folder, replacing one of that name. */
  readonly addKey: (options: KeyOptions) => Promise<{ label: string; key: string; file: string }>;
};

export type HomeWithPort = TemporaryHome & {
  readonly port: number;
  /** Where the proxy serves, once it runs. */
  readonly proxyUrl: string;
};

/** A home whose settings name a port, for what speaks of the proxy's address before one runs or after it has gone. */
export async function homeWithPort(): Promise<HomeWithPort> {
  const [home, port] = await Promise.all([temporaryHome(), freePort()]);
  return {
    ...home,
    port,
    proxyUrl: `http://127.0.0.1:${port}/kmi-rotor/v1`,
    env: { ...home.env, KMI_PROXY_LISTEN: `127.0.0.1:${port}` },
  };
}

/** A home of its own for one installation of kmi, removed when the test file is done. A proxy binds any port and prints it. */
export async function temporaryHome(): Promise<TemporaryHome> {
  const root = await mkdtemp(join(tmpdir(), 'kmi-home-'));
  const authsDir = join(root, '_auths');
  const stateDir = join(root, '.kmi');
  cleanUp(async () => {
    const left = await leftRunning(stateDir);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    noteNodeWarnings('The background proxy', await readFile(join(stateDir, 'logs', 'proxy.out'), 'utf8').catch(() => ''));
    // A process that was killed a moment ago may still have had a file open.
    await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    if (left.length > 0) throw new Error(`A test left a proxy running in ${root}.`);
  });
  await mkdir(authsDir);
  return {
    root,
    authsDir,
    stateDir,
    env: { HOME: root, KMI_AUTHS_DIR: authsDir, KMI_STATE_DIR: stateDir, KMI_PROXY_LISTEN: '127.0.0.1:0' },
    addKey: async (options) => {
      const key = options.key ?? `sk-test-${options.label}-0123456789abcdef`;
      const file = join(authsDir, `${options.label}.env`);
      await writeFile(file, authFile({ ...options, key }), { mode: 0o600 });
      return { label: options.label, key, file };
    },
  };
}

/** The text of an `.env` auth file (docs/kmi-manager.md#auth-files). */
function authFile({ label, key, baseUrl, priority, weight, disabled, email }: KeyOptions): string {
  const lines = [`KMI_API_KEY=${key}`, `KMI_KEY_LABEL=${label}`];
  if (baseUrl !== undefined) lines.push(`KMI_UPSTREAM_BASE_URL=${baseUrl}`);
  if (priority !== undefined) lines.push(`KMI_KEY_PRIORITY=${priority}`);
  if (weight !== undefined) lines.push(`KMI_KEY_WEIGHT=${weight}`);
  if (disabled !== undefined) lines.push(`KMI_KEY_DISABLED=${disabled ? 1 : 0}`);
  if (email !== undefined) lines.push(`KMI_ACCOUNT_EMAIL=${email}`);
  return `${lines.join('\n')}\n`;
}

/** The proxies of a home that nobody has ended. One that was killed a moment ago takes its time to go. */
async function leftRunning(stateDir: string) {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const left = await readRecords(stateDir);
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(20);
  }
}
