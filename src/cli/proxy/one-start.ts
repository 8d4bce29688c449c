import { join } from 'node:path';
import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import { makePrivateFolder } from '../../files/private.ts';
import { withFileLock } from '../../state/file-lock.ts';

/** A start takes 30 s at most, and so may the one before it. */
const WAIT_MS = 60_000;

/**
 * Starts of a state folder follow one another, so that the second finds the proxy of the first, also where the port is any free one.
 * Where the lock cannot be had, the work is done all the same.
 */
export async function oneStartAtATime<Result>(
  { stateDir }: Pick<Config, 'stateDir'>,
  work: () => Promise<Result>,
): Promise<Result> {
  let hasBegun = false;
  const begin = () => {
    hasBegun = true;
    return work();
  };
  try {
    await makePrivateFolder(stateDir);
    return await withFileLock(join(stateDir, 'proxy.start'), begin, { waitMs: WAIT_MS });
  } catch (error) {
    if (hasBegun) throw error;
    // What is the matter with the folder is said by the start itself.
    if (error instanceof KmiError && error.code !== 'state_unusable') throw error;
    return work();
  }
}
