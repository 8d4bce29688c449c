import { isStrategy, type Strategy } from '../core/choosing/strategy.ts';
import { isRecord } from '../core/json/json-value.ts';
import { type KeyState, newKeyState } from '../core/keys/key-state.ts';
import { isPrintableAscii } from '../core/text/ascii.ts';
import { oneLine } from '../core/text/one-line.ts';

/**
 * What a proxy and the commands share. The file form is docs/kmi-manager.md#state-file (schema 1) with additions that older
 * readers ignore: `active_key`, `rotation_strategy`, `exhausted_reason`, `account_id`, `session_moves`
 * and whatever else stood in the file.
 */
export type State = {
  /** Label of the key manual rotation chose; null until a choice was made. */
  activeKey: string | null;
  /** Place of the active key in the registry, for readers of schema 1. */
  activeIndex: number;
  /** Where round-robin goes on. */
  rotationIndex: number;
  autoRotate: boolean;
  /** What `kmi rotate auto --strategy` chose; null: as `KMI_ROTATE_STRATEGY` says. */
  strategy: Strategy | null;
  /** Epoch ms. */
  lastHealthRefresh: number | null;
  /** Sessions that had to leave their account, and the input tokens of their last requests: what the cache lost by it. */
  sessionMoves: SessionMoves;
  readonly keys: Map<string, KeyState>;
};

export type SessionMoves = { readonly count: number; readonly tokens: number };

/** Fields of the file this version does not know; kept so that nothing is lost. */
export type Unknowns = {
  readonly top: Readonly<Record<string, unknown>>;
  readonly keys: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
};

export const NO_UNKNOWNS: Unknowns = { top: {}, keys: new Map() };

export function newState(): State {
  return {
    activeKey: null,
    activeIndex: 0,
    rotationIndex: 0,
    autoRotate: false,
    strategy: null,
    lastHealthRefresh: null,
    sessionMoves: { count: 0, tokens: 0 },
    keys: new Map(),
  };
}

const SCHEMA_VERSION = 1;

const TOP_FIELDS = new Set([
  'schema_version',
  'active_key',
  'active_index',
  'rotation_index',
  'auto_rotate',
  'rotation_strategy',
  'last_health_refresh',
  'session_moves',
  'session_move_tokens',
  'keys',
]);
const KEY_FIELDS = new Set([
  'last_used',
  'request_count',
  'error_401',
  'error_403',
  'error_429',
  'error_5xx',
  'exhausted_until',
  'exhausted_reason',
  'blocked_until',
  'blocked_reason',
  'account_id',
  'account_checked_at',
  'exhausted_end',
  'last_failure',
  'quota_seen_at',
]);

/**
 * State from the file's text, of any schema version: missing and unusable fields take their first value. Returns null
 * when the text is not a JSON object, or one that nests deeper than any state does.
 */
export function parseState(text: string): { state: State; unknowns: Unknowns } | null {
  const raw = parseObject(text);
  if (raw === null) return null;
  const state = newState();
  state.activeKey = typeof raw.active_key === 'string' && isLabel(raw.active_key) ? raw.active_key : null;
  state.activeIndex = toCount(raw.active_index);
  state.rotationIndex = toCount(raw.rotation_index);
  state.autoRotate = raw.auto_rotate === true;
  state.strategy = isStrategy(raw.rotation_strategy) ? raw.rotation_strategy : null;
  state.lastHealthRefresh = toTime(raw.last_health_refresh);
  state.sessionMoves = { count: toCount(raw.session_moves), tokens: toCount(raw.session_move_tokens) };
  const unknownKeys = new Map<string, Record<string, unknown>>();
  for (const [label, entry] of Object.entries(isRecord(raw.keys) ? raw.keys : {})) {
    if (!isRecord(entry)) continue;
    state.keys.set(label, parseKeyState(entry));
    const rest = omit(entry, KEY_FIELDS);
    if (Object.keys(rest).length > 0) unknownKeys.set(label, rest);
  }
  const top = omit(raw, TOP_FIELDS);
  // What could not be written again must not be taken in.
  if (isDeeperThan(DEEPEST, top) || [...unknownKeys.values()].some((rest) => isDeeperThan(DEEPEST, rest))) return null;
  return { state, unknowns: { top, keys: unknownKeys } };
}

/** JSON.stringify runs out of stack some thousand levels down; a real state has only a few. */
const DEEPEST = 100;

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}

function parseKeyState(raw: Record<string, unknown>): KeyState {
  const state = newKeyState();
  state.lastUsed = toTime(raw.last_used);
  state.requests = toCount(raw.request_count);
  state.errors401 = toCount(raw.error_401);
  state.errors403 = toCount(raw.error_403);
  state.errors429 = toCount(raw.error_429);
  state.errors5xx = toCount(raw.error_5xx);
  const exhaustedUntil = toTime(raw.exhausted_until);
  if (exhaustedUntil !== null) {
    const reason = raw.exhausted_reason;
    const end = raw.exhausted_end;
    state.cooldown = {
      until: exhaustedUntil,
      reason: reason === 'rate' || reason === 'upstream' ? reason : 'quota',
      ...(end === 'guessed' || end === 'doubted' ? { end } : {}),
    };
  }
  const blockedUntil = toTime(raw.blocked_until);
  // Shown in tables: text from the file must not control the terminal.
  const reason = typeof raw.blocked_reason === 'string' ? oneLine(raw.blocked_reason, REASON_CHARS) || null : null;
  if (blockedUntil !== null || reason !== null) state.block = { until: blockedUntil, reason: reason ?? 'blocked' };
  const accountAt = toTime(raw.account_checked_at);
  if (isAccountId(raw.account_id) && accountAt !== null) state.account = { id: raw.account_id, at: accountAt };
  state.failedAt = toTime(raw.last_failure);
  state.quotaSeenAt = toTime(raw.quota_seen_at);
  return state;
}

function isAccountId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8,64}$/.test(value);
}

const REASON_CHARS = 80;

/** Could the registry have given this label? It gives none with control characters, which could drive a terminal. */
function isLabel(text: string): boolean {
  return text.length <= LABEL_CHARS && (isPrintableAscii(text) || !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text));
}

const LABEL_CHARS = 1000;

/** The file's text; ends with a newline. */
export function renderState(state: State, unknowns: Unknowns): string {
  const top = {
    schema_version: SCHEMA_VERSION,
    active_index: state.activeIndex,
    rotation_index: state.rotationIndex,
    auto_rotate: state.autoRotate,
    ...(state.strategy === null ? {} : { rotation_strategy: state.strategy }),
    last_health_refresh: renderTime(state.lastHealthRefresh),
    ...(state.sessionMoves.count === 0
      ? {}
      : { session_moves: state.sessionMoves.count, session_move_tokens: state.sessionMoves.tokens }),
    active_key: state.activeKey,
    ...unknowns.top,
  };
  const times = new TimeTexts();
  const keys = [...state.keys].map(([label, key]) => [label, keyFields(key, unknowns.keys.get(label), times)] as const);
  if (keys.length <= INDENT_MAX_KEYS) return `${JSON.stringify({ ...top, keys: Object.fromEntries(keys) }, null, 2)}\n`;
  const lines = keys.map(([label, fields]) => `${JSON.stringify(label)}:${JSON.stringify(fields)}`);
  return `${JSON.stringify(top).slice(0, -1)},"keys":{${lines.join(',\n')}}}\n`;
}

/** A file of more keys has one line per key: indenting it costs more than the rest of a save. */
const INDENT_MAX_KEYS = 200;

/** One member of `keys`. */
function keyFields(key: KeyState, unknowns: Readonly<Record<string, unknown>> | undefined, times: TimeTexts): object {
  const { cooldown, block, account } = key;
  return {
    last_used: times.of(key.lastUsed),
    request_count: key.requests,
    error_401: key.errors401,
    error_403: key.errors403,
    error_429: key.errors429,
    error_5xx: key.errors5xx,
    exhausted_until: times.of(cooldown?.until ?? null),
    exhausted_reason: cooldown?.reason,
    exhausted_end: cooldown?.end,
    blocked_until: times.of(block?.until ?? null),
    blocked_reason: block?.reason ?? null,
    account_id: account?.id,
    account_checked_at: account === null ? undefined : times.of(account.at),
    last_failure: key.failedAt === null ? undefined : preciseTime(key.failedAt),
    quota_seen_at: key.quotaSeenAt === null ? undefined : preciseTime(key.quotaSeenAt),
    ...unknowns,
  };
}

/** With milliseconds, because what came first of two decides. */
export function preciseTime(epochMs: number): string {
  return new Date(Math.min(Math.max(Math.floor(epochMs), 0), LAST_TIME)).toISOString();
}

/** Times in the form of the file. Most are of the same few seconds. */
class TimeTexts {
  readonly #bySecond = new Map<number, string | null>();

  of(epochMs: number | null): string | null {
    if (epochMs === null) return null;
    const second = Math.ceil(epochMs / 1000);
    let text = this.#bySecond.get(second);
    if (text === undefined) {
      text = renderTime(epochMs);
      this.#bySecond.set(second, text);
    }
    return text;
  }
}

/** The last second the form can write; a longer block is as good as this one. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59);

/** `YYYY-MM-DDTHH:MM:SSZ`; fractions round up, so that a cooldown is never cut short. Null for what is no time. */
export function renderTime(epochMs: number | null): string | null {
  if (epochMs === null || Number.isNaN(epochMs)) return null;
  const seconds = Math.ceil(Math.min(Math.max(epochMs, 0), LAST_TIME) / 1000);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Epoch ms of an ISO time; a time without zone is UTC. Null for anything else. */
export function toTime(value: unknown): number | null {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT/.test(value) || value.length > 40) return null;
  const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(value) ? value : `${value}Z`);
  return Number.isNaN(time) ? null : time;
}

function toCount(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    // Editors on Windows put a byte order mark in front.
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function omit(record: Record<string, unknown>, known: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !known.has(name)));
}
