import { clockText } from '../../../core/text/duration.ts';
import type { Zone } from '../../../core/text/zoned-time.ts';
import type { Style } from '../../ui/style.ts';
import { VERDICT_WORDS, wordsFor } from '../../words/choice-words.ts';
import { ENGLISH_KEYS } from '../../words/key-words.ts';
import { NO_ANSWER } from '../../words/trace-text.ts';
import type { Happening } from './happening.ts';

type Kind = Happening['kind'];
type Of<K extends Kind> = Extract<Happening, { readonly kind: K }>;

type Words<K extends Kind> = {
  readonly paint: keyof Pick<Style, 'good' | 'warn' | 'bad' | 'dim'> | null;
  readonly say: (happening: Of<K>, clock: (at: number) => string) => string;
};

const WORDS: { readonly [K in Kind]: Words<K> } = {
  failover: {
    paint: 'warn',
    say: ({ tried, to, status }) => {
      const from = tried.map((attempt) => `${attempt.key_label}: ${whyOf(attempt)}`).join(', ');
      return status < 400 ? `${from}; ${to} served the request` : `${from}; the client got ${status}`;
    },
  },
  broken: { paint: 'bad', say: ({ key }) => `an answer of ${key} broke off` },
  unserved: { paint: 'bad', say: ({ status }) => `no key could serve a request: the client got ${status}` },
  out: {
    paint: 'warn',
    say: ({ key, reason, until }, clock) => {
      const back = until === null ? '' : `, until ${clock(until)}`;
      return `${key}: ${ENGLISH_KEYS.reason(reason)}${back}`;
    },
  },
  back: { paint: 'good', say: ({ key }) => `${key} can serve again` },
  come: { paint: null, say: ({ key }) => `${key} is a new key` },
  gone: { paint: null, say: ({ key }) => `${key} is gone` },
  active: { paint: null, say: ({ key }) => `${key} is the active key` },
  rotation: {
    paint: null,
    say: ({ rotation }) => (rotation === null ? 'auto-rotation is off' : `auto-rotation is on: ${rotation}`),
  },
  started: { paint: 'good', say: ({ pid }) => `the proxy started (pid ${pid})` },
  restarted: { paint: 'good', say: ({ pid }) => `the proxy restarted (pid ${pid})` },
  stopped: { paint: 'bad', say: () => 'the proxy stopped' },
};

/** "its quota is used up (429)"; some words have the status already. */
function whyOf({ status, verdict }: Of<'failover'>['tried'][number]): string {
  const why = wordsFor(VERDICT_WORDS, verdict);
  const answer = `(${status ?? NO_ANSWER})`;
  return why.endsWith(answer) ? why : `${why} ${answer}`;
}

/** One happening in words, and how it is coloured. */
export function wordsOf(happening: Happening, zone: Zone, style: Style): { text: string; paint: (text: string) => string } {
  const words = WORDS[happening.kind] as Words<Kind>;
  const text = words.say(happening, (at) => clockText(at, happening.at, zone));
  return { text: printable(text), paint: words.paint === null ? (plain) => plain : style[words.paint] };
}

/** Labels of the trace may be anything. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '?');
}
