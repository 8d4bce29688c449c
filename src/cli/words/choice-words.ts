import type { ChoiceReason } from '../../core/choosing/choice.ts';
import type { VerdictClass } from '../../core/verdicts/verdict.ts';
import { TURN_WORDS } from './strategy-words.ts';

/** What an answer of a class says: completes "<status>: ...". */
export const VERDICT_WORDS: Readonly<Record<VerdictClass, string>> = {
  served: 'it answered',
  caller: 'the request itself was refused, which no other key can change',
  'agents-only':
    'this path of Kimi takes only coding agents that it knows by their User-Agent. The key is not at fault. Use a known agent, or the Anthropic path (/v1/messages)',
  foreign: "the answer was not the API's but came from the network or a proxy on the way",
  edge: 'something on the way to the API failed, whatever the key',
  'bad-key': 'the key was refused (401)',
  'login-over': 'its login is over',
  'no-model': 'its plan does not include the model',
  unpaid: 'the account must be paid for',
  quota: 'its quota is used up',
  rate: 'too many requests at a time',
  overloaded: 'the upstream is overloaded, whatever the key',
  broken: 'the upstream failed or could not be reached',
  refused: 'the upstream turned it down without a reason known here',
  banned: 'the upstream has closed the account',
  'dead-end': 'nothing is at its base URL (404)',
};

/** Why a key was chosen: completes "chosen: ...". */
export const CHOICE_WORDS: Readonly<Record<ChoiceReason, string>> = {
  ...TURN_WORDS,
  active: 'it is the active key',
  next_after_active: 'the active key could not serve, and it was next in order',
  fail_open: 'no key was known to be good, so the next one that can serve was used',
  reserve: 'no key was ready, so a reserve was tried',
  lone_key: 'it is the only key',
  session: 'the session stays with its account',
  placed: 'the session was new and was given to its account',
  moved: "the session's own account could not serve, so it moved here and left its cache behind",
  helped_out: "the session's own account was busy for a moment, so it helped out; the session stays where it is",
  file: 'its account holds a file that the request names',
};

/** The words of a reason read from a file, which another version may have written; an unknown one stands for itself. */
export function wordsFor<Reason extends string>(words: Readonly<Record<Reason, string>>, reason: string): string {
  return Object.hasOwn(words, reason) ? words[reason as Reason] : reason;
}
