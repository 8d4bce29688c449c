import { stat } from 'node:fs/promises';
import { reasonOf } from '../errors.ts';

/** Tells one version of a file from another; null when there is none. */
export async function versionOf(path: string): Promise<string | null> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino}-${size}-${mtimeNs}-${ctimeNs}`;
  } catch (error) {
    if (reasonOf(error) === 'ENOENT' || reasonOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}
