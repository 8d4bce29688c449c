import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts } from '../../../core/choosing/key-accounts.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { KEY_STATUSES, type KeyStatus } from '../../../core/keys/key-status.ts';
import type { Usage } from '../../../core/quota/quota.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, type Column, renderTable } from '../../ui/table.ts';
import { cutToWidth, displayWidth, padToWidth, wrapToWidth } from '../../ui/width.ts';
import { accountsText, unknownAccountsText } from '../../words/account-words.ts';
import { counted, ENGLISH_KEYS, paintStatus } from '../../words/key-words.ts';
import { noteOf, quotaText, readText } from './quota-text.ts';
import { rotationOf, type StatusReport } from './report.ts';

export type KeyLinesView = {
  readonly width: number;
  readonly style: Style;
  /** Every key, however many there are. */
  readonly all?: boolean;
  /** Only a line a key. */
  readonly isBrief?: boolean;
};

/** More keys than this are not all listed: only the active one and those that cannot serve. */
const LISTED_KEYS = 12;
const WIDE = 80;
const LABEL_COLUMNS = 24;
const NOTE_INDENT = 4;
const SERVING: readonly KeyStatus[] = ['healthy', 'ready', 'warn'];

type Row = { readonly candidate: Candidate; readonly isMarked: boolean; readonly status: KeyStatus };

/** The keys: how many can serve, then a line a key, and what `>` means where it means something. */
export function renderKeyLines(report: StatusReport, view: KeyLinesView): string[] {
  const { candidates, now } = report;
  const { width, style, all = false } = view;
  if (candidates.length === 0) return [style.dim('No keys.')];
  const marked = rotationOf(report) === null ? report.activeIndex : null;
  const rows = candidates.map(
    (candidate, index): Row => ({ candidate, isMarked: index === marked, status: keyStatusOf(candidate, now) }),
  );
  const listed = all ? rows : listedOf(rows);
  const hidden = rows.length - listed.length;
  if (view.isBrief === true) return renderKeyRows(rows, report, view).slice(1);
  const rest = `${counted(hidden, 'further key')} not listed; \`kmi status --all\` shows them all.`;
  return [
    ...summaryLines(report, view),
    ...tableOf(listed, report, view),
    ...(hidden === 0 ? [] : wrapToWidth(rest, width).map(style.dim)),
    ...(marked === null || rows.length < 2 ? [] : markLines(report, view)),
    ...unreadLines(report, view),
  ];
}

function listedOf(rows: readonly Row[]): readonly Row[] {
  if (rows.length <= LISTED_KEYS) return rows;
  return [
    ...rows.filter(({ isMarked }) => isMarked),
    ...rows.filter(({ isMarked, status }) => !isMarked && !SERVING.includes(status)),
  ].slice(0, LISTED_KEYS);
}

/** "3 keys, 2 accounts: 2 can serve, 1 blocked". */
export function summaryLines({ candidates, now }: StatusReport, { width, style, all = false }: KeyLinesView): string[] {
  const statuses = candidates.map((candidate) => keyStatusOf(candidate, now));
  const serving = statuses.filter((status) => SERVING.includes(status)).length;
  const others = KEY_STATUSES.filter((status) => !SERVING.includes(status)).flatMap((status) => {
    const count = statuses.filter((other) => other === status).length;
    return count === 0 ? [] : [`${count} ${status === 'cooldown' ? 'on cooldown' : ENGLISH_KEYS.status[status]}`];
  });
  const accounts = countAccounts(accountedKeys(candidates));
  const unknown = all ? unknownAccountsText(accounts) : null;
  return [
    ...wrapToWidth(`${accountsText(accounts)}: ${[`${serving} can serve`, ...others].join(', ')}`, width),
    ...(unknown === null ? [] : wrapToWidth(unknown, width).map(style.dim)),
  ];
}

/** What keeps a key from serving stands beside it where there is room for all of them, else below each. */
function tableOf(rows: readonly Row[], report: StatusReport, { width, style, all = false }: KeyLinesView): string[] {
  const { now, config } = report;
  const table = renderKeyRows(rows, report, { width, style, all });
  const notes = ['', ...rows.map(({ candidate }) => noteOf(candidate, now, config.timezone, style))];
  const tableWidth = Math.max(...table.map(displayWidth));
  const isBeside = tableWidth + 2 + Math.max(...notes.map(displayWidth)) <= width;
  return table.flatMap((line, n) => {
    const note = notes[n] as string;
    if (note === '') return [line];
    if (isBeside) return [`${padToWidth(line, tableWidth)}  ${style.dim(note)}`];
    const room = width - NOTE_INDENT;
    return [line, ...wrapToWidth(note, room).map((part) => `${' '.repeat(NOTE_INDENT)}${style.dim(part)}`)];
  });
}

function renderKeyRows(
  rows: readonly Row[],
  { candidates, now, today }: StatusReport,
  { width, style, all = false, isBrief = false }: KeyLinesView,
): string[] {
  const accounts = sharedAccounts(candidates);
  // Where there is no room, the alert about them has to do.
  const hasAccount = accounts.size > 0 && width >= WIDE;
  const isManual = rows.some(({ isMarked }) => isMarked);
  const hasAge = rows.some(({ candidate }) => readText(candidate.health, now) !== '');
  const layout: Column[] = [
    ...(isManual ? [{ gap: 1 }] : []),
    { title: 'KEY', shrinkTo: 8 },
    { title: 'STATUS' },
    { title: 'LEFT' },
    ...(hasAge ? [{ title: 'READ' }] : []),
    { title: 'TODAY', align: 'right' },
    ...(hasAccount ? [{ title: 'ACCOUNT', shrinkTo: 8 }] : []),
  ];
  // Without titles the cells say what their figures are.
  const quotaCell = (usage: Usage | null) => {
    const text = quotaText(usage, width < WIDE ? 2 : 3, style);
    return isBrief && usage !== null ? `${text} left` : text;
  };
  const cells = rows.map(({ candidate: { key, health }, isMarked, status }): Cell[] => [
    ...(isManual ? [{ text: isMarked ? '>' : '', paint: style.accent }] : []),
    { text: all ? key.label : cutToWidth(key.label, LABEL_COLUMNS, style.isPlain ? '...' : '…'), paint: style.strong },
    { text: ENGLISH_KEYS.status[status], paint: paintStatus(status, style) },
    { rendered: quotaCell(health?.usage ?? null) },
    ...(hasAge ? [{ text: readText(health, now), paint: style.dim }] : []),
    { text: `${today.get(key.label) ?? 0}${isBrief ? ' today' : ''}`, paint: (text: string) => text },
    ...(hasAccount ? [{ text: accounts.get(key.label) ?? '', paint: style.dim }] : []),
  ]);
  return renderTable(layout, cells, { width, style });
}

/** For keys that share an account, what to call that: an email address of one of them, else how its id begins. */
function sharedAccounts(candidates: readonly Candidate[]): ReadonlyMap<string, string> {
  const emails = new Map(candidates.map(({ key }) => [key.label, key.email]));
  return new Map(
    countAccounts(accountedKeys(candidates)).shared.flatMap(({ account, labels }) => {
      const name = labels.map((label) => emails.get(label) ?? null).find((email) => email !== null) ?? account.slice(0, 8);
      return labels.map((label): [string, string] => [label, name]);
    }),
  );
}

/** In dry-run there is nothing to ask for. */
function unreadLines({ candidates, config }: StatusReport, { width, style }: KeyLinesView): string[] {
  if (modeOf(config) !== 'live' || candidates.some(({ health }) => health !== null)) return [];
  return wrapToWidth('No quota was read yet; `kmi health` asks for it.', width).map(style.dim);
}

/** In manual mode one key serves all requests; `>` shows which. */
function markLines({ candidates, activeIndex, next }: StatusReport, { width, style }: KeyLinesView): string[] {
  const active = candidates[activeIndex]?.key.label ?? '';
  const standIn = next === active ? '' : next === null ? ', which cannot serve' : `; ${next} serves in its place`;
  return wrapToWidth(`> the active key${standIn}. \`kmi rotate\` chooses another.`, width).map(style.dim);
}
