import { describeSetting } from '../../../config/document.ts';
import type { Command } from '../../command/context.ts';
import { settingNamed } from '../setting-named.ts';

/** `kmi config get`: the value in force, in the form it has in an env file. Secrets are masked. */
export const run: Command<{ readonly args: readonly [string] }> = async ({ loaded, out }, { args: [word] }) => {
  out(describeSetting(settingNamed(word, 'kmi config get'), loaded).value);
  return 0;
};
