import { extname } from 'node:path';
import type { Key } from '../../core/keys/key.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { type AuthEditOutcome, setInAuthFile } from '../../keys/auth-write.ts';

/** Changes one line of a key's auth file. `what` completes "... cannot": "be disabled". Throws `auth_file_unchanged`. */
export async function editKeyFile(
  { label, source }: Key,
  variable: 'KMI_KEY_LABEL' | 'KMI_KEY_DISABLED',
  value: string,
  what: string,
): Promise<void> {
  let outcome: AuthEditOutcome;
  try {
    outcome = await setInAuthFile(source, variable, value);
  } catch (error) {
    throw new KmiError('auth_file_unchanged', `${label} cannot ${what}: ${source} cannot be written (${reasonOf(error)}).`, {
      cause: error,
    });
  }
  if (outcome === 'not_env') {
    throw new KmiError(
      'auth_file_unchanged',
      `${label} cannot ${what}: ${source} is a ${extname(source) || 'foreign'} file, and that format has no place for it.`,
      {
        hint: `Put the key into an .env file: \`kmi keys remove ${label}\`, then \`kmi keys add\` with the api_key of that file.`,
      },
    );
  }
  if (outcome === 'refused') {
    throw new KmiError(
      'auth_file_unchanged',
      `${label} cannot ${what}: ${source} is written in a way that is not safe to edit.`,
      {
        hint: `Set ${variable}=${value} in it by hand; a running proxy follows within a second.`,
      },
    );
  }
}
