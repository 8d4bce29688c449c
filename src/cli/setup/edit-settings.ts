import { setEnvVariable, unsetEnvVariable } from '../../config/env-text.ts';
import { examineConfig, type LoadedConfig } from '../../config/load.ts';
import { newEnvFile, placesOf } from '../../config/places.ts';
import { SETTINGS, type SettingName } from '../../config/settings.ts';
import type { SettingsProblem } from '../../config/settings-problem.ts';
import { findProxy } from '../../daemon/find.ts';
import { KmiError } from '../../errors.ts';
import type { CommandContext } from '../command/context.ts';
import { editSettingsFile } from '../command/settings-file.ts';
import { followingOf } from '../proxy/proxy-words.ts';
import { shownPath } from '../ui/shown-path.ts';

/** A setting and the value it gets; null takes it out of the file. */
export type SettingEdit = { readonly name: SettingName; readonly value: string | null };

export type EditedSettings = {
  readonly outcome: 'written' | 'unchanged';
  /** The file, as short as it can be said. */
  readonly file: string;
  /** What is in force now. */
  readonly loaded: LoadedConfig;
};

/**
 * Changes settings in the env file that counts, which is made when there is none; with `here` in the one of this folder. Nothing is
 * written when the settings could not be used then. Throws `bad_settings`; `bad_usage` when `here` cannot be followed.
 */
export async function editSettings(
  context: CommandContext,
  edits: readonly SettingEdit[],
  { here = false }: { readonly here?: boolean } = {},
): Promise<EditedSettings> {
  const { environment, cwd } = context;
  if (here && (environment.KMI_ENV_PATH ?? '').trim() !== '') {
    throw new KmiError('bad_usage', '--here cannot be followed: KMI_ENV_PATH names the file of the settings.', {
      hint: 'Unset KMI_ENV_PATH, or leave --here out.',
    });
  }
  const path = here ? newEnvFile(placesOf(cwd, { here })) : context.loaded.settingsFile;
  let { loaded } = context;
  // What the environment says in its place must not hide that a value cannot be used.
  const variables = edits.map(({ name }) => SETTINGS[name].variable);
  const bare = Object.fromEntries(Object.entries(environment).filter(([name]) => !variables.includes(name)));
  const before = examineConfig(bare, cwd).problem;
  const edit = (text: string): string | null => {
    const edited = applied(edits, text);
    if (edited === null) return null;
    const options = { edited: { path, text: edited } };
    refuseProblems(before, examineConfig(bare, cwd, options).problem, variables);
    ({ loaded } = examineConfig(environment, cwd, options));
    return edited;
  };
  const file = shownPath(path, context);
  const lines = edits.map(({ name, value }) => lineOf(name, value)).join(' and ');
  const byHand = edits.some(({ value }) => value === null) ? `Take ${lines} out of it by hand.` : `Set ${lines} in it by hand.`;
  const outcome = await editSettingsFile(context, path, edit, {
    denied: 'Make the file writable, or set the variable in the environment.',
    refused: byHand,
  });
  sayChangeOfFiles(context, context.loaded, loaded);
  for (const { name, value } of edits) if (value !== null) sayOverride(context, loaded, name, file);
  return { outcome, file, loaded };
}

function applied(edits: readonly SettingEdit[], text: string): string | null {
  return edits.reduce<string | null>((edited, { name, value }) => {
    if (edited === null) return null;
    const { variable } = SETTINGS[name];
    return value === null ? unsetEnvVariable(edited, variable) : setEnvVariable(edited, variable, value);
  }, text);
}

/** As it stands in the file; a secret without its value. */
export function lineOf(name: SettingName, value: string | null): string {
  const { variable, isOpen } = SETTINGS[name];
  return value === null || !isOpen(value) ? variable : `${variable}=${value}`;
}

/** What is wrong with the settings already, and is not touched, is no reason to write nothing. */
function refuseProblems(before: SettingsProblem | null, after: SettingsProblem | null, edited: readonly string[]): void {
  if (after === null) return;
  const news = after.variables.filter((variable) => edited.includes(variable) || before?.variables.includes(variable) !== true);
  if (news.length === 0) return;
  const missing = news.filter((variable) => !edited.includes(variable));
  const both = [...edited, ...missing].map((variable) => `${variable}=...`).join(' ');
  throw new KmiError('bad_settings', after.error.message, {
    hint: `Nothing was written.${missing.length === 0 ? '' : ` Set both at once: \`kmi config set ${both}\`.`}`,
    cause: after.error,
  });
}

/** The first setting of kmi's in a folder's own `.env` puts all of those in the home's out of force there, and the last one back in. */
function sayChangeOfFiles({ err, errStyle, cwd, home }: CommandContext, before: LoadedConfig, after: LoadedConfig): void {
  if (before.envFile === null || after.envFile === null || before.envFile === after.envFile) return;
  const shown = (path: string) => shownPath(path, { cwd, home });
  err(
    `${errStyle.warn('Note')}: in this folder kmi now uses the settings of ${shown(after.envFile)}, not those of ${shown(before.envFile)}.`,
  );
}

function sayOverride({ err, errStyle }: CommandContext, { sources }: LoadedConfig, name: SettingName, file: string): void {
  if (sources[name].kind !== 'environment') return;
  const { variable } = SETTINGS[name];
  err(`${errStyle.warn('Note')}: ${variable} is also set in the environment, which goes before ${file}. Unset it there.`);
}

/** What a change means for the proxy that runs; nothing when none does, or when it is none of its affair. */
export async function sayProxyFollows(
  context: CommandContext,
  { loaded }: EditedSettings,
  names: readonly SettingName[],
): Promise<void> {
  const proxy = await findProxy(context.config);
  const text = proxy === null ? null : followingOf(proxy, { ...context, loaded, config: loaded.config }, names);
  if (text !== null) context.err(text);
}
