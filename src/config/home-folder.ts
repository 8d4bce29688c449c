import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';
import { KmiError } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLE = process.platform === 'win32' ? 'USERPROFILE' : 'HOME';

/**
 * The user's home: what HOME says, or what the system has on record when HOME is not set, empty or no absolute path.
 * Null when neither knows one, as in a container that runs under a number without a name.
 */
export function knownHome(environment: Environment = process.env): string | null {
  for (const ask of [() => environment[VARIABLE] ?? '', homedir, () => userInfo().homedir]) {
    try {
      const folder = ask();
      if (isAbsolute(folder)) return folder;
    } catch {
      // The system has no record of this user.
    }
  }
  return null;
}

/** The user's home. Throws `bad_settings` when there is none. */
export function homeFolder(environment?: Environment): string {
  const home = knownHome(environment);
  if (home !== null) return home;
  throw new KmiError('bad_settings', 'There is no home folder: HOME is not set, and the system knows none for this user.', {
    hint: 'Set HOME to a folder of yours.',
  });
}
