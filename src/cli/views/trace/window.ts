import type { ProxyMode } from '../../../core/clients/proxy-mode.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { DEFAULT_WINDOW, type Distribution, distributionOf } from '../../../core/trace/trace-stats.ts';

/** Seen events kept, so that a filter still finds something to show. */
const KEPT_MIN = 2000;

export const STATUS_FILTERS = ['all', 'errors', 'ok'] as const;
export type StatusFilter = (typeof STATUS_FILTERS)[number];
export type TraceFilter = { readonly key: string | null; readonly status: StatusFilter };

const NO_FILTER: TraceFilter = { key: null, status: 'all' };

/** What the live window shows at one moment. */
export type TraceWindow = {
  /** Requests over which those of each key are counted. */
  readonly size: number;
  /** Oldest first. */
  readonly events: readonly TraceEvent[];
  /** Events that came with the last addition. */
  readonly fresh: ReadonlySet<TraceEvent>;
  readonly filter: TraceFilter;
  /** Events that came while the window was paused; null when it is not. */
  readonly held: readonly TraceEvent[] | null;
  readonly showsHelp: boolean;
  /** Id of the request that the arrows stand on; null: on none. */
  readonly selected: string | null;
  /** The selected request is told in full. */
  readonly showsWhy: boolean;
  /** Of the proxy that runs; null when none does. */
  readonly mode: ProxyMode | null;
};

export function newWindow(
  size: number = DEFAULT_WINDOW,
  filter: TraceFilter = NO_FILTER,
  mode: ProxyMode | null = null,
): TraceWindow {
  const events: readonly TraceEvent[] = [];
  return { size, events, fresh: new Set(), filter, held: null, showsHelp: false, selected: null, showsWhy: false, mode };
}

/** The window with further events; a paused one only counts them. `asFresh` marks them as new. */
export function addEvents(window: TraceWindow, added: readonly TraceEvent[], { asFresh = true } = {}): TraceWindow {
  if (window.held !== null) return { ...window, held: keep(window, [...window.held, ...added]) };
  return { ...window, events: keep(window, [...window.events, ...added]), fresh: new Set(asFresh ? added : []) };
}

function keep({ size }: TraceWindow, events: readonly TraceEvent[]): readonly TraceEvent[] {
  return events.slice(-Math.max(size, KEPT_MIN));
}

/** The window after a key was pressed; null when the key ends it. `page`: requests that one screen holds. */
export function pressKey(window: TraceWindow, key: string, page = 20): TraceWindow | null {
  if (key === 'q' || key === '\u0003') return null;
  if (window.showsHelp) return { ...window, showsHelp: false };
  switch (key) {
    case 'up':
      return select(window, -1);
    case 'down':
      return select(window, 1);
    case 'page up':
      return select(window, -page);
    case 'page down':
      return select(window, page);
    case 'home':
      return select(window, Number.NEGATIVE_INFINITY);
    case 'end':
      return select(window, Number.POSITIVE_INFINITY);
    case 'enter':
    case 'right':
      return window.selected === null ? { ...select(window, 1), showsWhy: true } : { ...window, showsWhy: true };
    default:
      return window.showsWhy ? { ...window, showsWhy: false } : pressLetter(window, key);
  }
}

function pressLetter(window: TraceWindow, key: string): TraceWindow {
  switch (key) {
    case '?':
    case 'h':
      return { ...window, showsHelp: true };
    case 'k':
      return { ...window, filter: { ...window.filter, key: after([null, ...labelsOf(window)], window.filter.key) } };
    case 's':
      return { ...window, filter: { ...window.filter, status: after(STATUS_FILTERS, window.filter.status) } };
    case 'c':
      return { ...window, filter: NO_FILTER };
    case '\u001b':
      return window.selected === null ? { ...window, filter: NO_FILTER } : { ...window, selected: null };
    case 'p':
    case ' ':
      return window.held === null ? { ...window, held: [] } : addEvents({ ...window, held: null }, window.held);
    default:
      return window;
  }
}

/** Goes so many requests down from the selected one; from none, to the newest. */
function select(window: TraceWindow, by: number): TraceWindow {
  const shown = shownEvents(window, Number.POSITIVE_INFINITY);
  const at = shown.findIndex(({ request_id }) => request_id === window.selected);
  const next = at === -1 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1);
  return { ...window, selected: shown[next]?.request_id ?? null };
}

/** The selected request; null when there is none, or when it is kept no longer. */
export function selectedEvent({ events, selected }: TraceWindow): TraceEvent | null {
  return selected === null ? null : (events.findLast(({ request_id }) => request_id === selected) ?? null);
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

/** The events that pass the filter, the newest first: the newest ones, or those around the selected one. */
export function shownEvents({ events, filter, selected }: TraceWindow, max: number): TraceEvent[] {
  const shown: TraceEvent[] = [];
  let hasSelected = selected === null || !events.some((event) => event.request_id === selected && passes(event, filter));
  for (let n = events.length - 1; n >= 0 && (shown.length < max || !hasSelected); n--) {
    const event = events[n] as TraceEvent;
    if (!passes(event, filter)) continue;
    shown.push(event);
    if (event.request_id === selected) hasSelected = true;
  }
  return shown.length > max ? shown.slice(shown.length - max) : shown;
}

/** How the newest requests that got a key fell on the keys; the filter does not matter. */
export function keyCounts({ events, size }: TraceWindow): Distribution {
  const served = events.filter(({ key_label }) => key_label !== '').slice(-size);
  return distributionOf(served.map(({ key_label }) => key_label));
}
