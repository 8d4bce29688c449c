import type { Config } from '../config/settings.ts';
import { readPidFile } from './pid-file.ts';
import { type ProxyRecord, readRecords } from './record.ts';

/**
 * The running proxy of the state folder: of several the one at the address of these settings, else the one proxy.pid names,
 * else the newest. Null: none has written down that it serves.
 */
export async function findProxy(config: Pick<Config, 'stateDir' | 'proxyListen'>): Promise<ProxyRecord | null> {
  const records = await readRecords(config.stateDir);
  if (records.length === 0) return null;
  const recorded = await readPidFile(config.stateDir);
  return (
    records.find((record) => servesAt(record, config)) ?? records.find(({ pid }) => pid === recorded) ?? records.at(-1) ?? null
  );
}

/** The process that has written down that it serves at this address; else the one proxy.pid names. */
export async function pidAt(config: Pick<Config, 'stateDir' | 'proxyListen'>): Promise<number | null> {
  const records = await readRecords(config.stateDir);
  return records.find((record) => servesAt(record, config))?.pid ?? (await readPidFile(config.stateDir));
}

function servesAt({ settings }: ProxyRecord, { proxyListen }: Pick<Config, 'proxyListen'>): boolean {
  return settings.proxyListen.host === proxyListen.host && settings.proxyListen.port === proxyListen.port;
}
