import type { ProxyMode } from '../../../core/clients/proxy-mode.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import {
  cachedShareOf,
  DEFAULT_WINDOW,
  type Distribution,
  distributionOf,
  isBySession,
} from '../../../core/trace/trace-stats.ts';

/** Newest lines that are shown (docs/kmi-manager.md#trace-window). */
export const LINES_SHOWN = 20;
/** Seen events kept, so that a filter still finds something to show. */
const KEPT_MIN = 2000;

export const STATUS_FILTERS = ['all', 'errors', 'ok'] as const;
export type StatusFilter = (typeof STATUS_FILTERS)[number];
export type TraceFilter = { readonly key: string | null; readonly status: StatusFilter };

const NO_FILTER: TraceFilter = { key: null, status: 'all' };

/** What the live window shows at one moment. */
export type TraceWindow = {
  /** Requests over which confidence is taken. */
  readonly size: number;
  /** Oldest first. */
  readonly events: readonly TraceEvent[];
  /** Events that came with the last addition. */
  readonly fresh: ReadonlySet<TraceEvent>;
  readonly filter: TraceFilter;
  /** Events that came while the window was paused; null when it is not. */
  readonly held: readonly TraceEvent[] | null;
  readonly showsHelp: boolean;
  /** Of the proxy that runs; null when none does. */
  readonly mode: ProxyMode | null;
};

export function newWindow(
  size: number = DEFAULT_WINDOW,
  filter: TraceFilter = NO_FILTER,
  mode: ProxyMode | null = null,
): TraceWindow {
  return { size, events: [], fresh: new Set(), filter, held: null, showsHelp: false, mode };
}

/** The window with further events; a paused one only counts them. `asFresh` marks them as new. */
export function addEvents(window: TraceWindow, added: readonly TraceEvent[], { asFresh = true } = {}): TraceWindow {
  if (window.held !== null) return { ...window, held: keep(window, [...window.held, ...added]) };
  return { ...window, events: keep(window, [...window.events, ...added]), fresh: new Set(asFresh ? added : []) };
}

function keep({ size }: TraceWindow, events: readonly TraceEvent[]): readonly TraceEvent[] {
  return events.slice(-Math.max(size, KEPT_MIN));
}

/** The window after a key was pressed; null when the key ends it. */
export function pressKey(window: TraceWindow, key: string): TraceWindow | null {
  if (key === 'q' || key === '\u0003') return null;
  if (window.showsHelp) return { ...window, showsHelp: false };
  switch (key) {
    case '?':
    case 'h':
      return { ...window, showsHelp: true };
    case 'k':
      return { ...window, filter: { ...window.filter, key: after([null, ...labelsOf(window)], window.filter.key) } };
    case 's':
      return { ...window, filter: { ...window.filter, status: after(STATUS_FILTERS, window.filter.status) } };
    case 'c':
    case '\u001b':
      return { ...window, filter: NO_FILTER };
    case 'p':
    case ' ':
      return window.held === null ? { ...window, held: [] } : addEvents({ ...window, held: null }, window.held);
    default:
      return window;
  }
}

function after<Value>(values: readonly Value[], current: Value): Value {
  return values[(values.indexOf(current) + 1) % values.length] as Value;
}

/** The key labels seen, in order. */
function labelsOf({ events }: TraceWindow): string[] {
  return [...new Set(events.map(({ key_label }) => key_label))].filter((label) => label !== '').sort();
}

export function passes(event: TraceEvent, { key, status }: TraceFilter): boolean {
  if (key !== null && event.key_label !== key) return false;
  return status === 'all' || (status === 'errors') === isError(event);
}

function isError({ status, error_code }: TraceEvent): boolean {
  return status >= 400 || error_code !== null;
}

/** The newest events that pass the filter, newest first. */
export function shownEvents({ events, filter }: TraceWindow, max: number): TraceEvent[] {
  const shown: TraceEvent[] = [];
  for (let n = events.length - 1; n >= 0 && shown.length < max; n--) {
    const event = events[n] as TraceEvent;
    if (passes(event, filter)) shown.push(event);
  }
  return shown;
}

export type WindowStats = {
  /** How the newest requests that got a key fell on the keys. */
  readonly distribution: Distribution;
  /** 0 to 1; null when the trace holds no tokens. */
  readonly cachedShare: number | null;
  /** They went by session or account, so even shares are not what was wanted. */
  readonly isBySession: boolean;
};

/** Over the newest requests that got a key; the filter does not matter. */
export function windowStats({ events, size }: TraceWindow): WindowStats {
  const served = events.filter(({ key_label }) => key_label !== '').slice(-size);
  return {
    distribution: distributionOf(served.map(({ key_label }) => key_label)),
    cachedShare: cachedShareOf(served),
    isBySession: isBySession(served),
  };
}
