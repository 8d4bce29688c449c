import type { ConfigEntry } from '../../../config/document.ts';
import type { Unused } from '../../../config/unused.ts';
import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { NOT_USED, unusedSettingText } from '../../words/not-used-words.ts';

export type ConfigView = {
  readonly columns: number;
  readonly style: Style;
  /** Also the settings that have their default. */
  readonly all?: boolean;
};

/** The lines of `kmi config`: what was changed and where, and with `all` every setting by group, in which that stands out. */
export function renderConfig(
  entries: readonly ConfigEntry[],
  envFile: string | null,
  { columns, style, all = false }: ConfigView,
  unused: readonly Unused[] = [],
): string[] {
  const width = viewWidth(columns);
  const changed = entries.filter(({ source }) => source !== 'default');
  const shown = all ? entries : changed;
  const nameWidth = Math.max(0, ...shown.map(({ variable }) => displayWidth(variable)));
  const groups = [...new Set(shown.map(({ group }) => group))];
  const lines = groups.flatMap((group) => [
    '',
    style.strong(group),
    ...shown.filter((entry) => entry.group === group).flatMap((entry) => entryLines(entry, envFile, nameWidth, width, style)),
  ]);
  const file =
    envFile === null ? 'No .env file was found; values come from the environment and the defaults.' : `Env file: ${envFile}`;
  const rest = entries.length - shown.length;
  return [
    ...wrapToWidth(file, width),
    ...unusedLines(unused, width, style),
    ...lines,
    ...restLines(rest, changed.length, width, style),
  ];
}

function restLines(rest: number, changed: number, width: number, style: Style): string[] {
  if (rest === 0) return [];
  const which = changed === 0 ? 'Every setting has its default' : `The other ${rest} settings have their defaults`;
  return ['', ...wrapToWidth(`${which}; \`kmi config --all\` shows them.`, width).map(style.dim)];
}

function unusedLines(unused: readonly Unused[], width: number, style: Style): string[] {
  if (unused.length === 0) return [];
  const lines = unused.flatMap((each) =>
    wrapToWidth(unusedSettingText(each), width - 4).map((line, n) => `${n === 0 ? '  ' : '    '}${line}`),
  );
  return ['', style.warn(NOT_USED), ...lines];
}

function entryLines(
  { variable, value, source }: ConfigEntry,
  envFile: string | null,
  nameWidth: number,
  width: number,
  style: Style,
): string[] {
  const isDefault = source === 'default';
  const shown = value === '' ? '(empty)' : value;
  const room = width - nameWidth - 4;
  const origin = isDefault ? '' : `from ${envFile === null ? source : source.replace(` (${envFile})`, '')}`;
  const paint = isDefault ? style.dim : style.accent;
  const wrapped = wrapToWidth(shown, room);
  const last = wrapped.at(-1) as string;
  const fits = origin === '' || displayWidth(last) + 2 + displayWidth(origin) <= room;
  const values = wrapped.map((line, n) => {
    const suffix = n === wrapped.length - 1 && origin !== '' && fits ? `  ${style.dim(origin)}` : '';
    return `${paint(line)}${suffix}`;
  });
  const all = fits ? values : [...values, ...wrapToWidth(origin, room).map(style.dim)];
  return all.map((line, n) => `  ${padToWidth(n === 0 ? variable : '', nameWidth)}  ${line}`);
}
