import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';

/** Tells one version of a file from another; null when there is none. */
export async function versionOf(path: string): Promise<string | null> {
  try {
    return versionIn(await stat(path, { bigint: true }));
  } catch (error) {
    if (reasonOf(error) === 'ENOENT' || reasonOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** The same from what `stat` said already. */
export function versionIn({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
}
