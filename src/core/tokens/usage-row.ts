import { addTokens, NO_TOKENS, type TokenUsage } from './token-usage.ts';

export type Counted = { readonly requests: number; readonly tokens: TokenUsage };

const NOTHING: Counted = { requests: 0, tokens: NO_TOKENS };

/** What requests of one day, key, account, model and session took together. */
export type UsageRow = Counted & {
  /** Day of the zone they were counted in: "2026-02-02". */
  readonly day: string;
  readonly key: string;
  /** null where it was not known; so with the two below. */
  readonly account: string | null;
  readonly model: string | null;
  readonly session: string | null;
};

/** Stands for the sessions, or models, that are beyond the bound and counted together. */
export const OTHER = '(other)';

export const USAGE_GROUPS = ['key', 'account', 'model', 'day', 'session'] as const;
export type UsageGrouping = (typeof USAGE_GROUPS)[number];

/** `name`: the key, account, ... all its rows share; null where that was not known. */
export type UsageGroup = Counted & { readonly name: string | null };

/** Sums by one field: days in order, everything else by tokens, most first. */
export function groupUsage(rows: readonly UsageRow[], by: UsageGrouping): UsageGroup[] {
  const groups = new Map<string | null, UsageGroup>();
  for (const row of rows) groups.set(row[by], addUp(row[by], groups.get(row[by]), row));
  return [...groups.values()].sort((a, b) => (by === 'day' ? 0 : sizeOf(b.tokens) - sizeOf(a.tokens)) || byName(a, b));
}

/** Labels of the keys that were counted for each account, most tokens first; null stands for the accounts not known. */
export function keysByAccount(rows: readonly UsageRow[]): ReadonlyMap<string | null, readonly string[]> {
  const byAccount = new Map<string | null, UsageRow[]>();
  for (const row of rows) {
    const own = byAccount.get(row.account);
    if (own === undefined) byAccount.set(row.account, [row]);
    else own.push(row);
  }
  return new Map([...byAccount].map(([account, own]) => [account, groupUsage(own, 'key').map(({ name }) => name as string)]));
}

/** The sum of all rows. */
export function totalUsage(rows: readonly Counted[]): UsageGroup {
  return rows.reduce<UsageGroup>((sum, row) => addUp(null, sum, row), { name: null, ...NOTHING });
}

function addUp(name: string | null, sum: UsageGroup | undefined, row: Counted): UsageGroup {
  return { name, ...addCounts(sum ?? NOTHING, row) };
}

function addCounts(one: Counted, other: Counted): Counted {
  return { requests: one.requests + other.requests, tokens: addTokens(one.tokens, other.tokens) };
}

function sizeOf({ input, output }: TokenUsage): number {
  return input + output;
}

function byName({ name: a }: UsageGroup, { name: b }: UsageGroup): number {
  return (a ?? '') < (b ?? '') ? -1 : 1;
}

/** How many sessions and models are told apart. */
export type UsageBounds = { readonly sessions: number; readonly models: number };

/**
 * The same counts in as few rows as there are different ones. Beyond the bounds the sessions, and models, with the fewest
 * tokens become `(other)`, so that sums stay exact.
 */
export function foldUsage(rows: readonly UsageRow[], bounds: UsageBounds): UsageRow[] {
  const sessions = largestNames(rows, 'session', bounds.sessions);
  const models = largestNames(rows, 'model', bounds.models);
  const folded = new Map<string, UsageRow>();
  for (const row of rows) {
    const kept = {
      ...row,
      session: row.session === null || sessions.has(row.session) ? row.session : OTHER,
      model: row.model === null || models.has(row.model) ? row.model : OTHER,
    };
    const id = rowId(kept);
    const known = folded.get(id);
    folded.set(id, known === undefined ? kept : { ...kept, ...addCounts(known, kept) });
  }
  return [...folded.values()];
}

function largestNames(rows: readonly UsageRow[], field: 'session' | 'model', count: number): ReadonlySet<string> {
  const named = rows.filter((row) => row[field] !== null && row[field] !== OTHER);
  return new Set(
    groupUsage(named, field)
      .slice(0, count)
      .map(({ name }) => name as string),
  );
}

/** What tells rows apart. */
export type RowNames = Omit<UsageRow, keyof Counted>;

/** The same text for rows that count together, and only for those: a length before each name says where it ends. */
function rowId({ day, key, account, model, session }: RowNames): string {
  return `${day}${lengthOf(key)}:${key}${lengthOf(account)}:${account}${lengthOf(model)}:${model}${lengthOf(session)}:${session}`;
}

function lengthOf(name: string | null): number {
  return name === null ? -1 : name.length;
}
