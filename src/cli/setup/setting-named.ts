import { ENVIRONMENT_ONLY, KEY_VARIABLES, nearestNames, SETTING_VARIABLES } from '../../config/known-names.ts';
import { SETTINGS, type SettingName } from '../../config/settings.ts';
import { shownName } from '../../config/unused.ts';
import { KmiError } from '../../errors.ts';
import { refuseKeyAsArgument } from '../keys/key-selection.ts';

/** The setting a word names: case does not matter, nor `-` for `_`, nor a missing `KMI_`. Throws `bad_usage` with the nearest. */
export function settingNamed(word: string, command: string): SettingName {
  refuseKeyAsArgument(word);
  const written = word.trim().toUpperCase().replaceAll('-', '_');
  const variable = written.startsWith('KMI_') ? written : `KMI_${written}`;
  const found = (Object.keys(SETTINGS) as SettingName[]).find((name) => SETTINGS[name].variable === variable);
  if (found !== undefined) return found;
  const shown = shownName(word);
  if (KEY_VARIABLES.includes(variable)) {
    throw new KmiError('bad_usage', `${shown} is no setting: it belongs into an auth file.`, {
      hint: '`kmi keys add` writes one; `kmi keys --help` tells what else can be changed of a key.',
    });
  }
  if (ENVIRONMENT_ONLY.includes(variable)) {
    throw new KmiError('bad_usage', `${shown} counts in the environment only, not in a file.`, {
      hint: `For example: \`export ${variable}=...\`.`,
    });
  }
  const [nearest] = nearestNames(word, SETTING_VARIABLES);
  const hint = nearest === undefined ? '' : `Did you mean \`${command} ${nearest}\`? `;
  throw new KmiError('bad_usage', `kmi has no setting ${shown}.`, { hint: `${hint}See \`kmi config --all\`.` });
}
