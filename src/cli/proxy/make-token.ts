import { randomBytes } from 'node:crypto';
import { loadConfig } from '../../config/load.ts';
import { tokenPath } from '../../config/own-files.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { makePrivateFolder, replaceFile } from '../../files/private.ts';
import type { CommandContext } from '../command/context.ts';
import { shownPath } from '../ui/shown-path.ts';

const TOKEN_BYTES = 32;

/**
 * Makes a client token for this installation, in a file (600) that every command reads, and answers the context with it. One
 * that is set already stays. The token itself is not printed: `kmi env`, `kmi kimi` and `kmi run` hand it to clients.
 */
export async function makeToken(context: CommandContext): Promise<CommandContext> {
  const { config, environment, cwd, home, err, errStyle: style } = context;
  const path = tokenPath(config.stateDir);
  const shown = shownPath(path, { cwd, home });
  if (config.proxyToken !== '') {
    err('There is a client token already; it stays (`kmi config` says where it comes from).');
    return context;
  }
  try {
    await makePrivateFolder(config.stateDir);
    await replaceFile(path, `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`);
  } catch (error) {
    throw new KmiError('state_unusable', `The client token cannot be written to ${path} (${reasonOf(error)}).`, { cause: error });
  }
  err(
    `${style.good('Made')} a client token in ${shown}. Clients need it now: \`kmi env\`, \`kmi kimi\` and \`kmi run\` pass it on.`,
  );
  const loaded = loadConfig(environment, cwd);
  return { ...context, loaded, config: Object.freeze({ ...config, proxyToken: loaded.config.proxyToken }) };
}
