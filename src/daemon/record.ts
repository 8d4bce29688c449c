import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Config, defaultConfig, SECRET_SETTINGS, SETTINGS, type SettingName } from '../config/settings.ts';
import { refuseForeign } from '../files/owner.ts';
import { exists, hardenPermissions, makePrivateFolder, replaceFile } from '../files/private.ts';
import { alivenessOf, identityOf } from './processes.ts';

/**
 * What a proxy that serves says of itself, for commands that are run anywhere: whatever folder, environment or later edit of
 * its files they see, this is what it goes by. Holds no secret.
 */
export type ProxyRecord = {
  readonly pid: number;
  readonly version: string;
  /** Epoch ms. */
  readonly startedAt: number;
  /** The folder it was started in, and the env file it read. */
  readonly folder: string;
  readonly envFile: string | null;
  /** The port that `--port` gave it, for its run; null when it went by its settings. */
  readonly port: number | null;
  /** It asks clients for a token. */
  readonly asksToken: boolean;
  /** Without the secret ones, which stand at their defaults. */
  readonly settings: Config;
};

function recordsFolder(stateDir: string): string {
  return join(stateDir, 'proxies');
}

function recordPath(stateDir: string, pid: number): string {
  return join(recordsFolder(stateDir), `${pid}.json`);
}

/** Writes the record of this process into the state folder, and takes away those of proxies that are gone. */
export async function writeRecord(stateDir: string, record: Omit<ProxyRecord, 'pid' | 'asksToken'>): Promise<void> {
  const { pid } = process;
  const path = recordPath(stateDir, pid);
  await makePrivateFolder(dirname(path));
  await hardenPermissions(dirname(path));
  const settings = Object.fromEntries(
    Object.entries(record.settings).filter(([name]) => !SECRET_SETTINGS.has(name as SettingName)),
  );
  const text = { pid, identity: await identityOf(pid), ...record, asksToken: record.settings.proxyToken !== '', settings };
  await replaceFile(path, `${JSON.stringify(text, null, 2)}\n`, { durable: false });
  await readRecords(stateDir, (stale) => rm(stale, { force: true }));
}

export async function isRecorded(stateDir: string, pid: number): Promise<boolean> {
  return exists(recordPath(stateDir, pid)).catch(() => false);
}

export async function removeRecord(stateDir: string, pid: number): Promise<void> {
  await rm(recordPath(stateDir, pid), { force: true });
}

/** The proxies that have written down that they serve, and are the same processes still; the newest last. */
export async function readRecords(
  stateDir: string,
  onStale: (path: string) => Promise<void> = async () => undefined,
): Promise<readonly ProxyRecord[]> {
  const folder = recordsFolder(stateDir);
  const names = await readdir(folder).catch(() => []);
  const records = await Promise.all(
    names
      .filter((name) => /^\d{1,10}\.json$/.test(name))
      .map(async (name) => {
        const path = join(folder, name);
        const record = await readRecord(path);
        if (record === null) await onStale(path);
        return record;
      }),
  );
  return records.filter((record) => record !== null).sort((a, b) => a.startedAt - b.startedAt);
}

async function readRecord(path: string): Promise<ProxyRecord | null> {
  try {
    await refuseForeign(path);
    const { identity, pid, version, startedAt, folder, envFile, port, asksToken, settings } = JSON.parse(
      await readFile(path, 'utf8'),
    ) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof version !== 'string' || typeof startedAt !== 'number') return null;
    if (typeof folder !== 'string' || typeof settings !== 'object' || settings === null) return null;
    if ((await alivenessOf(pid)) === 'gone' || (await identityOf(pid)) !== identity) return null;
    return {
      ...{ pid, version, startedAt, folder, asksToken: asksToken === true },
      envFile: typeof envFile === 'string' ? envFile : null,
      port: typeof port === 'number' ? port : null,
      settings: settingsOf(settings as Record<string, unknown>),
    };
  } catch {
    return null;
  }
}

/** Another version's record may lack a setting, or have one more. */
function settingsOf(stored: Record<string, unknown>): Config {
  const fallback: Readonly<Record<string, unknown>> = defaultConfig();
  const entries = Object.keys(SETTINGS).map((name) => [
    name,
    typeof stored[name] === typeof fallback[name] ? stored[name] : fallback[name],
  ]);
  const settings: Config = Object.fromEntries(entries);
  return Object.freeze(stored.isSimulated === true ? { ...settings, isSimulated: true } : settings);
}
