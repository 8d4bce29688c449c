import { openApp } from '../../app.ts';
import type { CommandContext } from '../command/context.ts';
import { tell } from '../command/tell.ts';
import { sayFollowing } from '../proxy/proxy-words.ts';
import { editKey } from './edit-key.ts';
import { findKeys } from './key-selection.ts';

/** Disables or enables keys and logins. Throws `unknown_key`, and `auth_file_unchanged` for a file that cannot say so. */
export async function switchKeys(context: CommandContext, labels: readonly string[], disabled: boolean): Promise<number> {
  const { config, environment, err, style, errStyle } = context;
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const word = disabled ? 'Disabled' : 'Enabled';
    const keys = findKeys(app.registry, labels);
    for (const key of keys) {
      if (key.disabled === disabled) {
        tell(context, `${style.strong(key.label)} is ${word.toLowerCase()} already.`);
        continue;
      }
      await editKey(app, key, { disabled }, `be ${word.toLowerCase()}`);
      tell(
        context,
        `${style.good(word)} ${style.strong(key.label)}. ${sayFollowing(context, 'follows', { isLogin: key.login !== undefined })}`,
      );
    }
    const left = app.registry.keys.some((key) => (keys.includes(key) ? !disabled : !key.disabled));
    if (!left) err(`${errStyle.warn('No key is enabled now')}, so nothing can be served.`);
    return 0;
  } finally {
    await app.close();
  }
}
