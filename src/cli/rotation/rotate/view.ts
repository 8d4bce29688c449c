import type { Config } from '../../../config/settings.ts';
import type { Candidate } from '../../../core/choosing/eligibility.ts';
import type { ManualChoice } from '../../../core/choosing/manual-rotation.ts';
import type { Strategy } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { untilWithClock } from '../../../core/text/duration.ts';
import type { KimiConfigWrite } from '../../../keys/kimi-config.ts';
import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { outInWords } from '../../words/key-words.ts';
import { renderKeyTable } from './key-table.ts';
import { type RotationMessages, rotationMessages } from './messages.ts';

/** What happened to the config of one Kimi client. */
export type ConfigNote = { readonly client: string; readonly result: KimiConfigWrite };

export type RotateReport = {
  readonly config: Config;
  /** Epoch ms. */
  readonly now: number;
  readonly candidates: readonly Candidate[];
  readonly choice: ManualChoice<Candidate>;
  /** Place of the active key before. */
  readonly previousIndex: number;
  /** How requests are shared out when auto-rotation is on and allowed; null when it is not. */
  readonly rotating: Strategy | null;
  readonly written: readonly ConfigNote[];
};

type Frame = { readonly columns: number; readonly style: Style };

/** The lines of `kmi rotate`: mode, what changed, why, what was written where, and the keys. */
export function renderRotate(report: RotateReport, { columns, style }: Frame): string[] {
  const { config, now, candidates, choice, previousIndex } = report;
  const messages = rotationMessages(config.locale);
  const width = viewWidth(columns);
  const mode = modeOf(config);
  const { word, rest } = messages.mode[mode];
  const activeIndex = choice.candidate === null ? previousIndex : choice.index;
  return [
    ...wrapToWidth(`${word}: ${rest}`, width).map((line, n) =>
      n === 0 ? line.replace(word, (mode === 'live' ? style.good : style.warn)(word)) : line,
    ),
    '',
    ...outcomeLines(report, messages, width, style),
    ...report.written.flatMap((note) => noteLines(note, messages, width, style)),
    '',
    ...renderKeyTable(candidates, { activeIndex, now, zone: config.timezone, messages }, { width, style }),
  ];
}

function outcomeLines(report: RotateReport, messages: RotationMessages, width: number, style: Style): string[] {
  const { choice, candidates, previousIndex } = report;
  if (choice.candidate === null) return wrapToWidth(messages.noneEligible, width).map(style.bad);
  const to = choice.candidate.key.label;
  const from = candidates[previousIndex]?.key.label ?? '';
  const headline = choice.moved ? messages.changed(from, to, style.isPlain ? '->' : '→') : messages.stayed(to);
  return [
    ...wrapToWidth(headline, width).map(style.strong),
    ...wrapToWidth(whyText(report, messages), width),
    ...(report.rotating === null ? [] : wrapToWidth(messages.rotating(report.rotating), width).map(style.warn)),
  ];
}

function whyText({ choice, candidates, previousIndex, now, config }: RotateReport, messages: RotationMessages): string {
  if (choice.candidate === null) return '';
  const previous = candidates[previousIndex];
  const out = previous === undefined ? null : outInWords(previous, now, config.timezone, messages.keys);
  if (choice.moved && previous !== undefined && out !== null) {
    return messages.replaces(previous.key.label, out, candidates.length - choice.skipped.length);
  }
  return messages.because(choice.reason, choice.rival?.key.label ?? null);
}

function noteLines({ client, result }: ConfigNote, messages: RotationMessages, width: number, style: Style): string[] {
  const say = (text: string, paint: (line: string) => string = (line) => line) => wrapToWidth(text, width).map(paint);
  switch (result.kind) {
    case 'missing':
      return [];
    case 'written':
      return [
        '',
        ...say(messages.wrote(client, result.file, result.changed.join(', '))),
        ...say(messages.backup(result.backup), style.dim),
        ...(result.hasOauth ? say(messages.oauth, style.warn) : []),
      ];
    case 'unchanged':
      return [
        '',
        ...say(messages.alreadyThere(client, result.file), style.dim),
        ...(result.hasOauth ? say(messages.oauth, style.warn) : []),
      ];
    case 'through_proxy':
      return ['', ...say(messages.throughProxy(client, result.file), style.dim)];
    case 'left_alone':
      return ['', ...say(messages.leftAlone(client, result.file, result.problem), style.warn)];
  }
}

/** What to do when no key can serve, for standard error. */
export function renderRemedy({ config, now, choice }: Pick<RotateReport, 'config' | 'now' | 'choice'>): string {
  const messages = rotationMessages(config.locale);
  const returns = choice.skipped.flatMap(({ until }) => (until === null ? [] : [until]));
  const first = returns.length === 0 ? null : untilWithClock(Math.min(...returns), now, config.timezone, messages.keys.time);
  return messages.remedy(first);
}
