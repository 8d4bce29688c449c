import { open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { quote, setEnvVariable } from '../config/env-text.ts';
import { DEFAULT_WEIGHT } from '../core/keys/key.ts';
import { codeOf } from '../files/bounded-file.ts';
import { type EditOutcome, editPrivateFile } from '../files/edit-private.ts';
import { exists, makePrivateFolder, PRIVATE_FILE, replaceFile } from '../files/private.ts';
import { formatOf } from './auth-folder.ts';
import { parseEnvFile } from './env-file.ts';

export type NewAuthFile = {
  readonly label: string;
  readonly value: string;
  /** Null leaves it to `KMI_UPSTREAM_BASE_URL`. */
  readonly baseUrl: string | null;
  readonly email: string | null;
  readonly priority: number;
  readonly weight: number;
};

/** The text of an `.env` auth file (docs/kmi-manager.md#auth-files). */
function renderAuthFile({ label, value, baseUrl, email, priority, weight }: NewAuthFile): string {
  const lines = [
    `KMI_API_KEY=${quote(value) ?? value}`,
    `KMI_KEY_LABEL=${quote(label) ?? label}`,
    ...(priority === 0 ? [] : [`KMI_KEY_PRIORITY=${priority}`]),
    ...(weight === DEFAULT_WEIGHT ? [] : [`KMI_KEY_WEIGHT=${weight}`]),
    ...(baseUrl === null ? [] : [`KMI_UPSTREAM_BASE_URL=${quote(baseUrl) ?? baseUrl}`]),
    ...(email === null ? [] : [`KMI_ACCOUNT_EMAIL=${email}`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Writes `<label>.env`, or `<label>-2.env` and so on where that name is taken. Answers the path. Throws what the file system says. */
export async function addAuthFile(folder: string, file: NewAuthFile): Promise<string> {
  await makePrivateFolder(folder);
  const path = await reserveName(folder, file.label);
  try {
    await replaceFile(path, renderAuthFile(file));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return path;
}

/** Creates an empty file under a free name, so that no file can be overwritten. */
async function reserveName(folder: string, label: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const path = join(folder, `${label}${number === 1 ? '' : `-${number}`}.env`);
    try {
      await (await open(path, 'wx', PRIVATE_FILE)).close();
      return path;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** `not_env`: the file is of a format that has no place for the setting. */
export type AuthEditOutcome = EditOutcome | 'not_env';

/** What of an auth file a command changes. */
export type AuthVariable = 'KMI_KEY_LABEL' | 'KMI_KEY_DISABLED' | 'KMI_KEY_WEIGHT' | 'KMI_KEY_PRIORITY';

/** Sets one variable of a key in its `.env` file: that one line changes, every other byte stays. */
export async function setInAuthFile(path: string, variable: AuthVariable, value: string): Promise<AuthEditOutcome> {
  const format = formatOf(basename(path))?.format;
  if (format === 'toml' || format === 'json') return 'not_env';
  let isEnv = true;
  const outcome = await editPrivateFile(path, (text) => {
    isEnv = 'entry' in parseEnvFile(text);
    return isEnv ? setEnvVariable(text, variable, value) : null;
  });
  return isEnv ? outcome : 'not_env';
}

/**
 * Takes a file out of use by giving it a name that is none of an auth file: `work.env.removed-20261124T101500Z`. Kimi shows a
 * key only once, so what was removed by mistake must be there to be named back. Answers the new path.
 */
export async function setAsideAuthFile(path: string, now: number): Promise<string> {
  const stamp = `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  for (let number = 1; ; number += 1) {
    const target = `${path}.removed-${stamp}${number === 1 ? '' : `-${number}`}`;
    if (await exists(target)) continue;
    await rename(path, target);
    return target;
  }
}
