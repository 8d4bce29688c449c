import type { Config } from '../../../config/settings.ts';
import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts, siblingsByLabel } from '../../../core/choosing/key-accounts.ts';
import type { QuotaWindow } from '../../../core/quota/quota.ts';
import { agoText, untilText, untilWithClock } from '../../../core/text/duration.ts';
import type { Counted } from '../../../core/tokens/usage-row.ts';
import type { SkippedFile } from '../../../keys/auth-entry.ts';
import { paintShare, percentText, renderBar } from '../../ui/bar.ts';
import { viewWidth } from '../../ui/panel.ts';
import { wrapProse } from '../../ui/prose.ts';
import { shortPath } from '../../ui/shown-path.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, renderTable } from '../../ui/table.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { accountsText, listLabels, planText, SHARED_FIX, sharedText, unknownAccountsText } from '../../words/account-words.ts';
import { counted, ENGLISH_KEYS, outInWords, paintStatus } from '../../words/key-words.ts';
import { renderMode } from '../../words/mode-line.ts';
import { tokensInWords } from '../../words/token-text.ts';

/** What `kmi health` looks at, at one moment. */
export type HealthReport = {
  readonly config: Config;
  /** Epoch ms. */
  readonly now: number;
  readonly candidates: readonly Candidate[];
  /** Label of the active key; null to mark none, as where auto-rotation chooses. */
  readonly active: string | null;
  /** What the proxy has counted today, by key label. */
  readonly today: ReadonlyMap<string, Counted>;
  readonly skipped: readonly SkippedFile[];
};

type Frame = { readonly width: number; readonly style: Style };

const INDENT = '    ';
const LONGEST_WINDOW = 16;

/** The lines of `kmi health`: the mode, how many accounts there are, a block a key, and what is left to say. */
export function renderHealth(report: HealthReport, { columns, style }: { columns: number; style: Style }): string[] {
  const { config, candidates, skipped } = report;
  const frame = { width: viewWidth(columns), style };
  const headings = headingRows(report, frame);
  const windowWidth = widestWindow(candidates);
  const siblings = siblingsByLabel(accountedKeys(candidates));
  const blocks = candidates.flatMap((candidate, n) => [
    '',
    headings[n] as string,
    ...keyLines(candidate, { windowWidth, siblings: siblings.get(candidate.key.label) ?? [] }, report, frame),
  ]);
  const zone = config.timezone === 'local' ? [] : ['', style.dim(`Times are in ${config.timezone}.`)];
  return [
    ...wrapProse(renderMode(config, style), frame.width),
    ...accountLines(candidates, frame),
    ...blocks,
    ...skippedLines(skipped, config, frame),
    ...zone,
  ];
}

function accountLines(candidates: readonly Candidate[], { width, style }: Frame): string[] {
  const accounts = countAccounts(accountedKeys(candidates));
  if (accounts.keys < 2) return [];
  const unknown = unknownAccountsText(accounts);
  return [
    `${accountsText(accounts)}.`,
    ...(unknown === null ? [] : wrapToWidth(unknown, width).map(style.dim)),
    ...accounts.shared.flatMap((shared) => wrapToWidth(`${sharedText(shared)} ${SHARED_FIX}`, width).map(style.warn)),
  ];
}

function headingRows({ candidates, active, now }: HealthReport, { width, style }: Frame): string[] {
  const rows = candidates.map((candidate): Cell[] => {
    const { key } = candidate;
    const status = keyStatusOf(candidate, now);
    return [
      ...(active === null ? [] : [{ text: key.label === active ? '>' : '', paint: style.accent }]),
      { text: key.label, paint: style.strong },
      { text: ENGLISH_KEYS.status[status], paint: paintStatus(status, style) },
      { text: key.email ?? '', paint: style.dim },
      { text: planText(candidate.health?.usage?.plan ?? null), paint: style.dim },
    ];
  });
  return renderTable([...(active === null ? [] : [{ gap: 1 }]), { shrinkTo: 12 }, {}, { shrinkTo: 12 }, { shrinkTo: 8 }], rows, {
    width,
    style,
  });
}

function widestWindow(candidates: readonly Candidate[]): number {
  const labels = candidates.flatMap(({ health }) => (health?.usage?.windows ?? []).map(({ label }) => displayWidth(label)));
  return Math.min(LONGEST_WINDOW, Math.max(8, ...labels));
}

/** The block of one key by itself, as `kmi current` shows it. */
export function renderKeyBlock(
  candidate: Candidate,
  { config, now, width, style }: Frame & { config: Config; now: number },
): string[] {
  const report = { config, now, candidates: [candidate], active: null, today: new Map(), skipped: [] };
  const frame = { width, style };
  return [
    ...headingRows(report, frame),
    ...keyLines(candidate, { windowWidth: widestWindow([candidate]), siblings: [] }, report, frame),
  ];
}

function keyLines(
  candidate: Candidate,
  { windowWidth, siblings }: { readonly windowWidth: number; readonly siblings: readonly string[] },
  { config, now, today }: HealthReport,
  { width, style }: Frame,
): string[] {
  const { key, health, state } = candidate;
  const usage = health?.usage ?? null;
  const out = outInWords(candidate, now, config.timezone);
  const room = width - INDENT.length;
  const say = (text: string, paint: (text: string) => string = (line) => line) =>
    wrapToWidth(text, room).map((line) => `${INDENT}${paint(line)}`);
  const used = today.get(key.label);
  return [
    ...(out === null ? [] : say(out, paintStatus(keyStatusOf(candidate, now), style))),
    ...(siblings.length === 0 ? [] : say(`one account with ${listLabels(siblings)}: one quota, not several`, style.warn)),
    ...(health?.error == null ? [] : say(`asking failed: ${health.error}`, style.bad)),
    ...(usage?.windows ?? []).map((window) => windowLine(window, windowWidth, config, now, { width, style })),
    ...(usage?.walletCents == null ? [] : say(`${padToWidth('wallet', windowWidth)}  ${moneyText(usage.walletCents)} left`)),
    // An answer that states no tokens is counted as none: zero of them would be a guess.
    ...(used === undefined || used.tokens.input + used.tokens.output === 0
      ? []
      : say(`${padToWidth('today', windowWidth)}  ${tokensInWords(used.tokens)}`)),
    ...say(usedText(state, now), style.dim),
    ...(config.showSource ? say(key.source, style.dim) : []),
  ];
}

function windowLine(window: QuotaWindow, labelWidth: number, config: Config, now: number, { width, style }: Frame): string {
  const { label, remainingShare: share, resetsAt, resetHint } = window;
  const barWidth = width >= 100 ? 24 : width >= 80 ? 16 : 8;
  const mark = style.isPlain ? '...' : '…';
  const name = padToWidth(cutToWidth(label, labelWidth, mark), labelWidth);
  const percent = padToWidth(percentText(share), 5, 'right');
  const left = share === null ? '     ' : ' left';
  const used = INDENT.length + labelWidth + 2 + barWidth + 1 + 5 + left.length + 2;
  const line = `${INDENT}${name}  ${renderBar(share, barWidth, style)} ${paintShare(share, style)(percent)}${left}`;
  const reset = resetText(resetsAt, resetHint, now, config, width - used);
  return reset === '' ? line.trimEnd() : `${line}  ${cutToWidth(reset, width - used, mark)}`;
}

/** Without the clock where there is no room for it. */
function resetText(resetsAt: number | null, hint: string | null, now: number, config: Config, room: number): string {
  if (resetsAt !== null) {
    const whole = `resets ${untilWithClock(resetsAt, now, config.timezone)}`;
    return displayWidth(whole) <= room ? whole : `resets ${untilText(resetsAt, now)}`;
  }
  if (hint === null) return '';
  return hint.startsWith('resets') ? hint : `resets ${hint}`;
}

/** "12.34". The upstream's currency is not part of the reading. */
function moneyText(cents: number): string {
  return (cents / 100).toFixed(2);
}

function usedText({ requests, lastUsed, errors401, errors403, errors429, errors5xx }: Candidate['state'], now: number): string {
  const errors = [
    ['401', errors401],
    ['403', errors403],
    ['429', errors429],
    ['5xx', errors5xx],
  ] as const;
  const seen = errors.filter(([, count]) => count > 0).map(([name, count]) => `${count} x ${name}`);
  const parts = [
    requests === 0 ? 'not used yet' : counted(requests, 'request'),
    ...(lastUsed === null ? [] : [`last used ${agoText(lastUsed, now)}`]),
    ...(seen.length === 0 ? [] : [`errors on record: ${seen.join(', ')}`]),
  ];
  return parts.join(', ');
}

function skippedLines(skipped: readonly SkippedFile[], config: Config, { width, style }: Frame): string[] {
  if (skipped.length === 0) return [];
  const title = skipped.length === 1 ? 'One file gives no key:' : `${skipped.length} files give no key:`;
  const lines = skipped.flatMap(({ file, detail }) =>
    wrapToWidth(`${shortPath(file, config.authsDir, config.stateDir)}: ${detail}`, width - 4).map((line, n) =>
      n === 0 ? `  ${line}` : `    ${line}`,
    ),
  );
  return ['', style.warn(title), ...lines];
}
