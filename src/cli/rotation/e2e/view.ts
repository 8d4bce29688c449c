import type { ProxyMode } from '../../../core/clients/proxy-mode.ts';
import { CONFIDENCE_WANTED } from '../../../core/trace/fairness.ts';
import { hasPassed, type RotationCheck } from '../../../core/trace/rotation-check.ts';
import type { VerdictClass } from '../../../core/verdicts/verdict.ts';
import { renderBar } from '../../ui/bar.ts';
import type { Style } from '../../ui/style.ts';
import { renderTable } from '../../ui/table.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { VERDICT_WORDS, wordsFor } from '../../words/choice-words.ts';
import { skippedWords } from '../../words/reason-words.ts';
import { TURN_TAKER_WORDS } from '../../words/strategy-words.ts';

const BAR_COLUMNS = 24;
/** Keys listed; a pool of thousands is summed up. */
const KEYS_MAX = 40;

export type E2eView = { readonly width: number; readonly style: Style; readonly minConfidence?: number };

const MODE_WORDS: Readonly<Record<ProxyMode, string>> = {
  live: 'requests go to the upstream.',
  'dry-run': 'nothing is sent to the upstream.',
  simulated: 'made-up accounts answer; nothing is sent to the upstream.',
};

/** What becomes of the requests, by what the proxy that gets them says of itself. */
export function renderCheckMode(mode: ProxyMode, style: Style): string {
  const name = mode === 'live' ? style.good('Live') : style.warn(mode === 'dry-run' ? 'Dry-run' : 'Simulated');
  return `${name}: ${MODE_WORDS[mode]}`;
}

/** The result of `kmi e2e`: distribution, what was wrong, the verdict. */
export function renderE2e(check: RotationCheck, { width, style, minConfidence = CONFIDENCE_WANTED }: E2eView): string[] {
  const lines: string[] = [];
  const say = (text: string, paint: (text: string) => string = (plain) => plain) => {
    for (const line of wrapToWidth(text, width)) lines.push(paint(line));
  };
  if (check.distribution.counts.length > 0) lines.push(...renderDistribution(check, width, style), '');
  for (const { key, reasons } of check.passedOver) {
    say(`${key} did not get a full share: ${reasons.map(wordsOfReason).join('; ')}.`, style.warn);
  }
  for (const [what, count] of check.failures) say(`${times(count)}: ${what}.`, style.bad);
  const lost = check.traced === 0 ? 0 : check.sent - check.distribution.total;
  const astray = lost > 0 ? ` ${lost === 1 ? 'One' : lost} reached no key.` : '';
  say(
    `${check.answered} of ${check.sent} requests were answered.${astray}`,
    check.answered === check.sent ? style.good : style.bad,
  );
  const { text, isGood } = verdict(check, minConfidence);
  say(text, isGood ? style.good : style.bad);
  return lines;
}

function renderDistribution({ distribution }: RotationCheck, width: number, style: Style): string[] {
  const { counts, total } = distribution;
  const rows = counts
    .slice(0, KEYS_MAX)
    .map(([label, count]) => [
      label,
      String(count),
      `${((count / Math.max(total, 1)) * 100).toFixed(1)} %`,
      { rendered: renderShare(count / Math.max(total, 1), style) },
    ]);
  const columns = [
    { title: 'KEY', shrinkTo: 8 },
    { title: 'REQUESTS', align: 'right' },
    { title: 'SHARE', align: 'right' },
    { title: '' },
  ] as const;
  const rest = counts.length - KEYS_MAX;
  return [...renderTable(columns, rows, { width, style }), ...(rest > 0 ? [style.dim(`and ${rest} keys more`)] : [])];
}

/** Of all requests: in an even rotation of four keys each bar is a quarter full. */
function renderShare(share: number, style: Style): string {
  return renderBar(share, BAR_COLUMNS, { ...style, good: (text) => text, warn: (text) => text, bad: (text) => text });
}

function wordsOfReason(reason: string): string {
  return skippedWords(reason) ?? wordsFor<VerdictClass>(VERDICT_WORDS, reason);
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function verdict(check: RotationCheck, minConfidence: number): { text: string; isGood: boolean } {
  const isGood = hasPassed(check);
  if (check.traced === 0) {
    return {
      text:
        check.answered > 0
          ? 'None of these requests is in the trace: the proxy that answered writes to a different trace (its KMI_STATE_DIR differs, or it was started with --simulate-without-keys).'
          : 'No request reached the choice of a key.',
      isGood,
    };
  }
  if (check.turns === 'nobody') {
    return {
      text: 'Auto-rotation is off: all requests go to the active key, so there is no distribution to judge. `kmi rotate auto` turns it on.',
      isGood,
    };
  }
  const words = TURN_TAKER_WORDS[check.turns ?? 'keys'];
  if (check.sole !== null) {
    return { text: `Only ${words.sole(check.sole)} could serve, so nothing can be said about the rotation.`, isGood };
  }
  if (check.confidence === null)
    return { text: 'No key took part from the first request to the last: nothing to judge.', isGood };
  const over = check.judged < check.distribution.total ? ` over the newest ${check.judged}` : '';
  const confidence = `Confidence ${check.confidence.toFixed(1)} %${over}`;
  if (!check.isEven) return { text: `${confidence}, ${minConfidence} % was asked for: ${words.unfair}.`, isGood };
  if (check.confidence >= minConfidence) return { text: `${confidence}: ${words.fair}.${words.unseen}`, isGood };
  return {
    text: `${confidence}, as even as these requests divide by the ${words.plural}; ${words.more}.`,
    isGood,
  };
}
