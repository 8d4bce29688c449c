import { openApp } from '../../../app.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { sayFollowing } from '../../proxy/proxy-words.ts';
import { editKey } from '../edit-key.ts';
import { findKeys, refuseKeyAsArgument } from '../key-selection.ts';
import { checkLabel } from '../new-key.ts';
import { followAuthFiles, sayMoved } from '../relabel.ts';

type Options = { readonly args: readonly [string, string] };

/** `kmi keys rename`: a new label in the auth file; counters, cooldown, block and being the active key go along. */
export const run: Command<Options> = async (context, { args: [from, to] }) => {
  const { config, environment, err, style } = context;
  refuseKeyAsArgument(to);
  checkLabel(to);
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const [key] = findKeys(app.registry, [from]);
    if (key === undefined) throw new KmiError('unknown_key', `There is no key called ${from}.`);
    if (key.label === to) {
      tell(context, `It is called ${style.strong(to)} already.`);
      return 0;
    }
    const holder = app.registry.keys.find((other) => other !== key && other.label.toLowerCase() === to.toLowerCase());
    if (holder !== undefined) {
      throw new KmiError('auth_file_unchanged', `There is another key called ${holder.label}; nothing was changed.`, {
        hint: 'Choose a label that no key has.',
      });
    }
    await editKey(app, key, { label: to }, 'be renamed');
    const { registry: after, moved } = await followAuthFiles(app);
    const now = after.keys.find(({ hash }) => hash === key.hash)?.label ?? to;
    tell(
      context,
      `${style.good('Renamed')} ${key.label} to ${style.strong(now)}. Its counters go along. ${sayFollowing(context, 'follows', { isLogin: key.login !== undefined })}`,
    );
    sayMoved(moved, key.label, err);
    return 0;
  } finally {
    await app.close();
  }
};
