import type { ProxyMode } from '../../../core/clients/proxy-mode.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import type { Happening, Scene } from './happening.ts';

/** What runs at the proxy's address, as far as it has been asked. */
export type WatchedProxy =
  | { readonly is: 'running'; readonly pid: number; readonly startedAt: number | null }
  | { readonly is: 'nothing' }
  /** Another program holds the address, or it cannot be asked. */
  | { readonly is: 'unknown'; readonly pid: number | null; readonly why: string };

/** Everything the screen shows, at one moment. */
export type Picture = Scene & {
  readonly zone: Zone;
  readonly mode: ProxyMode;
  readonly proxy: WatchedProxy;
  /** Oldest first. */
  readonly requests: readonly TraceEvent[];
  /** Those that came a moment ago. */
  readonly fresh: ReadonlySet<TraceEvent>;
  /** Oldest first. */
  readonly happenings: readonly Happening[];
};

/** The picture and what the person at the keys has made of it. */
export type WatchScreen = {
  readonly latest: Picture;
  /** The picture that is shown in place of the latest while it is paused; null when it is not. */
  readonly paused: Picture | null;
  /** Label of the key the arrows stand on. */
  readonly selected: string | null;
  readonly showsHelp: boolean;
  /** What an action came to, until the next key. */
  readonly message: string | null;
};

/** What a pressed key asks for. */
export type Action =
  | { readonly kind: 'quit' }
  /** End the key's cooldown or its block. */
  | { readonly kind: 'free'; readonly label: string }
  /** Make it the active key. */
  | { readonly kind: 'use'; readonly label: string };

export function newScreen(latest: Picture): WatchScreen {
  return { latest, paused: null, selected: null, showsHelp: false, message: null };
}

export function shownPicture({ latest, paused }: WatchScreen): Picture {
  return paused ?? latest;
}

/** The screen with a newer picture. A selected key that is gone is selected no longer. */
export function withPicture(screen: WatchScreen, latest: Picture): WatchScreen {
  const isThere = latest.candidates.some(({ key }) => key.label === screen.selected);
  return { ...screen, latest, selected: isThere ? screen.selected : null };
}

const SELECT_FIRST = 'Select a key first, with up and down.';

/** What a pressed key makes of the screen, and what is to be done. */
export function pressKey(screen: WatchScreen, key: string): { readonly screen: WatchScreen; readonly action: Action | null } {
  if (key === 'q' || key === '\u0003') return { screen, action: { kind: 'quit' } };
  if (screen.showsHelp) return { screen: { ...screen, showsHelp: false }, action: null };
  const fresh: WatchScreen = { ...screen, message: null };
  const { selected } = screen;
  switch (key) {
    case 'f':
      if (selected === null) return { screen: { ...fresh, message: SELECT_FIRST }, action: null };
      return { screen: fresh, action: { kind: 'free', label: selected } };
    case 'n':
    case 'enter':
      if (selected === null) return { screen: { ...fresh, message: SELECT_FIRST }, action: null };
      return { screen: fresh, action: { kind: 'use', label: selected } };
    default:
      return { screen: pressOther(fresh, key), action: null };
  }
}

function pressOther(screen: WatchScreen, key: string): WatchScreen {
  switch (key) {
    case 'up':
      return select(screen, -1);
    case 'down':
      return select(screen, 1);
    case 'home':
    case 'page up':
      return select(screen, Number.NEGATIVE_INFINITY);
    case 'end':
    case 'page down':
      return select(screen, Number.POSITIVE_INFINITY);
    case '\u001b':
      return { ...screen, selected: null };
    case 'p':
    case ' ':
      return { ...screen, paused: screen.paused === null ? screen.latest : null };
    case '?':
    case 'h':
      return { ...screen, showsHelp: true };
    default:
      return screen;
  }
}

function select(screen: WatchScreen, by: number): WatchScreen {
  const labels = shownPicture(screen).candidates.map(({ key }) => key.label);
  const at = screen.selected === null ? -1 : labels.indexOf(screen.selected);
  const next = at === -1 ? (by > 0 ? 0 : labels.length - 1) : Math.min(Math.max(at + by, 0), labels.length - 1);
  return {
    ...screen,
    selected: labels[by === Number.POSITIVE_INFINITY ? labels.length - 1 : by === Number.NEGATIVE_INFINITY ? 0 : next] ?? null,
  };
}
