import { openApp } from '../../../app.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { sayFollowing } from '../../proxy/proxy-words.ts';
import { editKey } from '../edit-key.ts';
import { findKeys } from '../key-selection.ts';
import { checkRank } from '../rank.ts';

type Options = { readonly args: readonly [string]; readonly weight?: string; readonly priority?: string };

/** `kmi keys set`: weight and priority, where the key is kept. Throws `unknown_key`, `bad_usage`, `auth_file_unchanged`. */
export const run: Command<Options> = async (context, { args: [label], ...wishes }) => {
  const { config, environment, err, style } = context;
  const { weight, priority } = checkRank(wishes);
  if (weight === null && priority === null) {
    throw new KmiError('bad_usage', 'Nothing to set.', { hint: 'Say what: `--weight 200`, `--priority 1`, or both.' });
  }
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    for (const key of findKeys(app.registry, [label])) {
      if (weight !== null) await editKey(app, key, { weight }, 'have another weight');
      if (priority !== null) await editKey(app, key, { priority }, 'have another priority');
      const said = [
        ...(weight === null ? [] : [`weight ${weight}`]),
        ...(priority === null ? [] : [`priority ${priority}`]),
      ].join(', ');
      const follows = sayFollowing(context, 'follows', { isLogin: key.login !== undefined });
      tell(context, `${style.good('Set')} ${style.strong(key.label)}: ${said}. ${follows}`);
    }
    return 0;
  } finally {
    await app.close();
  }
};
