import { extname } from 'node:path';
import type { App } from '../../app.ts';
import type { Key } from '../../core/keys/key.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { type AuthEditOutcome, type AuthVariable, setInAuthFile } from '../../keys/auth-write.ts';

/** What of a key a person can change in place. */
export type KeyChange =
  | { readonly label: string }
  | { readonly disabled: boolean }
  | { readonly weight: number }
  | { readonly priority: number };

/**
 * Changes a key where it is kept: one line of its auth file, or the file of its login. `what` completes "... cannot": "be disabled".
 * Throws `auth_file_unchanged`.
 */
export async function editKey(app: App, key: Key, change: KeyChange, what: string): Promise<void> {
  if (key.login !== undefined) {
    await (await app.logins()).edit(key.login.id, change);
    return;
  }
  if ('label' in change) await editKeyFile(key, 'KMI_KEY_LABEL', change.label, what);
  else if ('disabled' in change) await editKeyFile(key, 'KMI_KEY_DISABLED', change.disabled ? '1' : '0', what);
  else if ('weight' in change) await editKeyFile(key, 'KMI_KEY_WEIGHT', String(change.weight), what);
  else await editKeyFile(key, 'KMI_KEY_PRIORITY', String(change.priority), what);
}

/** Changes one line of a key's auth file. */
async function editKeyFile({ label, source }: Key, variable: AuthVariable, value: string, what: string): Promise<void> {
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
