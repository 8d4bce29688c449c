import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key } from '../core/keys/key.ts';
import type { KeyHealth } from '../core/quota/key-health.ts';
import { reasonOf } from '../errors.ts';
import { refuseForeign } from '../files/owner.ts';
import { isKept, parseReadings, type QuotaReadings, readingId } from './quota-schema.ts';

/** `none`: no command and no proxy has saved a reading; `newer`: a later version of kmi wrote the file. */
export type QuotaFileContent = QuotaReadings | 'none' | 'damaged' | 'newer' | 'unreadable';

export function quotaPath(stateDir: string): string {
  return join(stateDir, 'quota.json');
}

/** What `quota.json` says, for reports on it. Never throws. */
export async function readQuotaFile(stateDir: string): Promise<QuotaFileContent> {
  const path = quotaPath(stateDir);
  try {
    await refuseForeign(path);
    return parseReadings(await readFile(path, 'utf8'));
  } catch (error) {
    return reasonOf(error) === 'ENOENT' || reasonOf(error) === 'ENOTDIR' ? 'none' : 'unreadable';
  }
}

/**
 * The last quota readings of the running proxy or of a command, by label, and when each was taken (`fetchedAt`). Sends
 * nothing. A key without a reading is not in it; a missing or unusable file gives none. Never throws.
 */
export async function readQuotaReadings(
  stateDir: string,
  keys: readonly Key[],
  now: number,
): Promise<ReadonlyMap<string, KeyHealth>> {
  const content = await readQuotaFile(stateDir);
  return typeof content === 'string' ? new Map() : readingsOf(keys, content, now);
}

export function readingsOf(keys: readonly Key[], readings: QuotaReadings, now: number): ReadonlyMap<string, KeyHealth> {
  return new Map(
    keys.flatMap((key): [string, KeyHealth][] => {
      const reading = readings.get(readingId(key));
      return reading === undefined || !isKept(reading, now) ? [] : [[key.label, reading]];
    }),
  );
}
