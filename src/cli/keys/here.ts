import { basename, resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { KmiError } from '../../errors.ts';
import { loadRegistry } from '../../keys/registry.ts';
import type { CommandContext } from '../command/context.ts';
import { shownPath } from '../ui/shown-path.ts';

/** From its first key of its own on, a folder no longer has those of the home. */
export async function sayLeftBehind({ config, err, errStyle, cwd, home }: CommandContext, given: CommandContext): Promise<void> {
  if (given.loaded.keysOf === 'here') return;
  const { keys } = await loadRegistry(given.loaded.config);
  if (keys.length === 0) return;
  const folder = shownPath(given.loaded.config.authsDir, { cwd, home });
  err(
    `${errStyle.warn('Note')}: in this folder kmi now uses the keys of ${basename(config.authsDir)} only, not those of ${folder}.`,
  );
}

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
