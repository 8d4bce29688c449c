import {
  groupUsage,
  keysByAccount,
  totalUsage,
  type UsageGroup,
  type UsageGrouping,
  type UsageRow,
} from '../../../core/tokens/usage-row.ts';
import { percentText } from '../../ui/bar.ts';
import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { type Cell, type Column, type Paint, renderTable } from '../../ui/table.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { listLabels } from '../../words/account-words.ts';
import { counted } from '../../words/key-words.ts';
import { tokenText } from '../../words/token-text.ts';

/** What `kmi usage` looks at. */
export type UsageReport = {
  readonly rows: readonly UsageRow[];
  readonly by: UsageGrouping;
  /** First day that is looked at. */
  readonly since: string;
  /** Last day that is looked at; null: today. */
  readonly until: string | null;
};

type Frame = { readonly columns: number; readonly style: Style };

/** Groups that get a line; the rest are summed up in one. Days are never so many. */
const LINES_MAX = 40;

/** The lines of `kmi usage`: a line a group, most tokens first, and the total. */
export function renderUsage({ rows, by, since, until }: UsageReport, { columns, style }: Frame): string[] {
  const width = viewWidth(columns);
  const period = until === null ? `since ${since}` : until === since ? `on ${since}` : `from ${since} to ${until}`;
  if (rows.length === 0) {
    return wrapToWidth(`No tokens were counted ${period}. The proxy counts what passes through it.`, width);
  }
  const groups = groupUsage(rows, by);
  const nameOf = by === 'account' ? accountNames(rows) : ({ name }: UsageGroup) => name ?? '(unknown)';
  const shown = by === 'day' || groups.length <= LINES_MAX ? groups : groups.slice(0, LINES_MAX - 1);
  const rest = groups.slice(shown.length);
  const lines = [
    ...shown.map((group) => cells(nameOf(group), group, plain)),
    ...(rest.length === 0 ? [] : [cells(counted(rest.length, 'more', 'more'), totalUsage(rest), style.dim)]),
    ...(groups.length === 1 ? [] : [cells('total', totalUsage(groups), style.strong)]),
  ];
  // Most models state none, and a column of zeros says nothing; in a narrow terminal the names need the room.
  const hasReasoning = width >= 80 && rows.some(({ tokens }) => tokens.reasoning > 0);
  const head = `Tokens by ${by} ${period}`;
  return [head, '', ...renderTable(layoutFor(by, hasReasoning), lines, { width, style })];
}

/** "a1b2c3d4 (work, spare)": the account, and its keys as they were counted. */
function accountNames(rows: readonly UsageRow[]): (group: UsageGroup) => string {
  const keys = keysByAccount(rows);
  return ({ name }) => `${name ?? 'not known'} (${listLabels(keys.get(name) ?? [])})`;
}

function layoutFor(by: UsageGrouping, hasReasoning: boolean): Column[] {
  return [
    { title: by.toUpperCase(), shrinkTo: 12, wrap: by === 'account' },
    { title: 'REQUESTS', align: 'right' },
    { title: 'INPUT', align: 'right' },
    { title: 'CACHED', align: 'right', gap: 1 },
    { align: 'right' },
    { title: 'OUTPUT', align: 'right' },
    ...(hasReasoning ? [{ title: 'REASONING', align: 'right' as const }] : []),
  ];
}

const plain: Paint = (text) => text;

function cells(name: string, { requests, tokens }: UsageGroup, paint: Paint): Cell[] {
  const { input, cached, output, reasoning } = tokens;
  const share = input === 0 ? '' : percentText(cached / input);
  const texts = [name, tokenText(requests), tokenText(input), tokenText(cached), share, tokenText(output), tokenText(reasoning)];
  return texts.map((text) => ({ text, paint }));
}
