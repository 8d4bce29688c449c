import { openApp } from '../../../app.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { askYesNo } from '../../ui/ask.ts';
import { forgetLogin, forgetQuestion } from '../forget-login.ts';
import { findKeys } from '../key-selection.ts';
import { followAuthFiles, sayMoved } from '../relabel.ts';

type Options = { readonly args: readonly [string]; readonly yes?: boolean };

/** `kmi logout`: gives a login up, after asking; its label's state goes with it. Exit 1 when declined. Throws `unknown_key`. */
export const run: Command<Options> = async (context, { args: [label], yes = false }) => {
  const { config, environment, err, style, errStyle } = context;
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const [key] = findKeys(app.registry, [label]);
    if (key?.login === undefined) {
      throw new KmiError('unknown_key', `${key?.label ?? label} is an API key, not a login.`, {
        hint: `\`kmi keys remove ${key?.label ?? label}\` removes it.`,
      });
    }
    if (!yes && !(await askYesNo(forgetQuestion(key, key.login)))) {
      err('Nothing was changed.');
      return 1;
    }
    const became = await forgetLogin(app, key.login);
    tell(context, `${style.good('Logged out')} ${style.strong(key.label)}. ${became}`);
    const { registry: after, moved } = await followAuthFiles(app);
    sayMoved(moved, null, err);
    if (after.keys.length === 0) err(`${errStyle.warn('That was the last account')}; \`kmi login\` adds another.`);
    return 0;
  } finally {
    await app.close();
  }
};
