import { readFile, rename } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../errors.ts';
import { parseState, renderTime } from './schema.ts';
import type { StateStoreOptions } from './store-options.ts';

const LOOK_AFTER_MS = 200;
const LOOKS_MAX = 10;

/** The file's text; null when there is none. */
export function textOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (reasonOf(error) === 'ENOENT') return null;
    throw error;
  });
}

/**
 * Moves a file whose text is no state aside. Not one that somebody without the lock, such as an editor, is in the middle of
 * writing: that is whole a moment later, and then this comes back with false, as it does when the file is gone. Only under the
 * lock.
 */
export async function movedAside({ path, clock, log }: StateStoreOptions, text: string): Promise<boolean> {
  let last = text;
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    await delay(LOOK_AFTER_MS);
    const next = await textOf(path);
    if (next === null || parseState(next) !== null) return false;
    if (next === last) break;
    last = next;
  }
  const stamp = (renderTime(clock()) ?? '').replace(/[-:]/g, '');
  const aside = `${path}.corrupt.${stamp}`;
  await rename(path, aside);
  log.warn('The state file was not JSON; it was moved aside and a fresh state begins.', { file: path, moved_to: aside });
  return true;
}
