import type { NoKey } from '../../core/choosing/no-key.ts';
import { isRecord, parseJson } from '../../core/json/json-value.ts';
import { headerOf } from '../../core/text/raw-headers.ts';
import { CONSEQUENCES } from '../../core/verdicts/verdict.ts';
import type { CollectedAnswer } from '../http/answer.ts';
import { errorText } from '../http/error-text.ts';
import type { FailedAttempt } from '../pool/cooldowns.ts';
import { type NoKeyParts, noKeyLeft } from '../pool/no-key-error.ts';
import type { KeptAnswer } from './kept-answer.ts';
import { OF_THE_PACKED_BODY, withoutHeaders } from './masked-answer.ts';

/**
 * The answer that refused the last of several keys. The upstream speaks of one account; the person at the client must learn
 * that no other can serve either, and until when. That is added to the upstream's own message; any other answer stays as it came.
 */
export function withKeysTried(
  told: CollectedAnswer,
  { outcome, entry }: KeptAnswer,
  failures: readonly FailedAttempt[],
  parts: NoKeyParts,
): CollectedAnswer {
  const { blame } = CONSEQUENCES[outcome.verdict];
  if (!told.isWhole || (blame !== 'key' && blame !== 'account')) return told;
  const left = noKeyLeft(parts);
  if (left === null) return told;
  const tried = new Set([entry, ...failures.map((failure) => failure.entry)]).size;
  const body = withWords(errorText(told.body, headerOf(told.headers, 'content-encoding')), wordsFor(left, tried));
  if (body === null) return told;
  const headers = [...withoutHeaders(told.headers, OF_THE_PACKED_BODY), 'content-length', String(body.length)];
  return { ...told, headers, body };
}

function wordsFor({ text, fix }: NoKey, tried: number): string {
  return `${tried > 1 ? `kmi tried ${tried} keys. ` : ''}${text} ${fix}`;
}

/** The error with the words after its message; null when it is in no form that has one. */
function withWords(text: string, words: string): Buffer | null {
  const said = parseJson(text);
  if (!isRecord(said)) return null;
  const holder = isRecord(said.error) ? said.error : said;
  const name = ['message', 'error'].find((each) => typeof holder[each] === 'string');
  if (name === undefined) return null;
  holder[name] = `${sentence(holder[name] as string)} ${words}`.trim();
  return Buffer.from(JSON.stringify(said));
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?。！？]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
