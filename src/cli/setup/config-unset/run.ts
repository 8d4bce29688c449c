import { describeSetting } from '../../../config/document.ts';
import { SETTINGS } from '../../../config/settings.ts';
import { listed } from '../../../core/text/listed.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { editSettings, sayProxyFollows } from '../edit-settings.ts';
import { settingNamed } from '../setting-named.ts';

type Options = { readonly args: readonly [readonly string[]]; readonly here?: boolean };

/** `kmi config unset`: takes settings out of the env file that counts, and says what is in force then. */
export const run: Command<Options> = async (context, { args: [words], here = false }) => {
  const names = [...new Set(words.map((word) => settingNamed(word, 'kmi config unset')))];
  const edited = await editSettings(
    context,
    names.map((name) => ({ name, value: null })),
    { here },
  );
  const { outcome, file, loaded } = edited;
  const { style } = context;
  const variables = listed(
    names.map((name) => SETTINGS[name].variable),
    'and',
  );
  tell(
    context,
    outcome === 'written' ? `${style.good('Removed')} ${variables} from ${file}.` : `${file} does not set ${variables}.`,
  );
  for (const name of names) {
    const { variable, value, source } = describeSetting(name, loaded);
    tell(
      context,
      `${variable} is now ${value === '' ? 'empty' : value}: ${source === 'default' ? 'the default' : `from ${source}`}.`,
    );
  }
  await sayProxyFollows(context, edited, names);
  return 0;
};
