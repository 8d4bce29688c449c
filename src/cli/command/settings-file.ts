import { setEnvVariable } from '../../config/env-text.ts';
import { SETTINGS, type SettingName } from '../../config/settings.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { editPrivateFile } from '../../files/edit-private.ts';
import { shownPath } from '../ui/shown-path.ts';
import { wrapToWidth } from '../ui/width.ts';
import type { CommandContext } from './context.ts';

export type InitAnswer = {
  /** False in scripts: what no flag decides stays as it is. */
  readonly canAsk: boolean;
  confirm(question: string, fallback: boolean): Promise<boolean>;
  ask(question: string): Promise<string>;
};

export type Mode = { readonly isLive: boolean; readonly changed: boolean };

/** Live or dry-run: by flag; else asks while it is not set, and in dry-run again when a key has just proved to work. Writes `KMI_DRY_RUN`. */
export async function chooseMode(
  context: CommandContext,
  {
    live = false,
    dryRun = false,
    works = false,
  }: { readonly live?: boolean; readonly dryRun?: boolean; readonly works?: boolean },
  { canAsk, confirm }: InitAnswer,
): Promise<Mode> {
  const { config, loaded, out, style } = context;
  const wasLive = !config.dryRun;
  const isOpen = loaded.sources.dryRun.kind === 'default';
  let isLive = live || (wasLive && !dryRun);
  if (!live && !dryRun && (isOpen || (works && !wasLive)) && canAsk) {
    say(context, '', 'In dry-run, kmi simulates every answer and sends nothing.');
    isLive = await confirm('Go live: send requests to the upstream?', true);
  }
  // Dry-run is the default and needs no line.
  const isSaid = loaded.sources.dryRun.kind === 'file' || (!isLive && isOpen);
  if (isLive !== wasLive || !isSaid) await writeSetting(context, 'dryRun', isLive ? '0' : '1');
  out(
    isLive
      ? `${style.good('Live')}: requests go to the upstream.`
      : `${style.warn('Dry-run')}: nothing is sent; \`kmi init --live\` changes that.`,
  );
  return { isLive, changed: isLive !== wasLive };
}

export async function writeSetting(context: CommandContext, name: SettingName, value: string): Promise<void> {
  const { loaded, environment, out, err, style, errStyle } = context;
  const { variable } = SETTINGS[name];
  const path = loaded.settingsFile;
  const shown = shownPath(path, context);
  const hints = {
    denied: `Set ${variable}=${value} in the environment, or make the file writable.`,
    refused: `Set ${variable}=${value} in it by hand.`,
  };
  const outcome = await editSettingsFile(context, path, (text) => setEnvVariable(text, variable, value), hints);
  if (outcome === 'written') out(`${style.good('Wrote')} ${variable}=${value} to ${shown}.`);
  const source = loaded.sources[name];
  if (source.kind === 'environment' && environment[variable]?.trim() !== value) {
    err(`${errStyle.warn('Note')}: ${variable} is also set in the environment, which goes before ${shown}. Unset it there.`);
  }
}

/** Edits an env file as `editPrivateFile` does. Throws `bad_settings` with one of the hints, and what `edit` throws. */
export async function editSettingsFile(
  context: Pick<CommandContext, 'cwd' | 'home'>,
  path: string,
  edit: (text: string) => string | null,
  hints: { readonly denied: string; readonly refused: string },
): Promise<'written' | 'unchanged'> {
  const shown = shownPath(path, context);
  const outcome = await editPrivateFile(path, edit).catch((error: unknown) => {
    if (error instanceof KmiError) throw error;
    throw new KmiError('bad_settings', `${shown} cannot be written (${reasonOf(error)}).`, { hint: hints.denied, cause: error });
  });
  if (outcome !== 'refused') return outcome;
  throw new KmiError('bad_settings', `${shown} is written in a way that is not safe to edit.`, { hint: hints.refused });
}

/** Questions and what explains them go to standard error, wrapped. */
export function say({ err, width }: CommandContext, ...lines: readonly string[]): void {
  for (const line of lines) for (const part of wrapToWidth(line, Math.min(width, 80))) err(part);
}
