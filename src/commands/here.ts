import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { KmiError } from '../errors.ts';
import type { CommandContext } from './context.ts';

/** The context of a command that works in this folder (`--here`): nothing of the home counts. Throws `bad_usage`. */
export function workHere(context: CommandContext): CommandContext {
  const loaded = loadConfig(context.environment, context.cwd, { here: true });
  const { authsDir } = loaded.config;
  if (authsDir !== resolve(context.cwd, '_auths')) {
    throw new KmiError('bad_usage', `--here cannot be followed: KMI_AUTHS_DIR names ${authsDir}.`, {
      hint: 'Unset KMI_AUTHS_DIR, or leave --here out.',
    });
  }
  const { plain, noColor } = context.config;
  return { ...context, loaded, config: Object.freeze({ ...loaded.config, plain, noColor }) };
}
