import type { Strategy } from '../core/choosing/strategy.ts';

/** What a strategy does with a request. */
export const STRATEGY_WORDS: Readonly<Record<Strategy, string>> = {
  'round-robin': 'each request takes the next key',
  sticky: 'a session stays with its account, and new ones are dealt by their hash',
  quota: 'a session stays with its account, and new ones go where quota would otherwise expire',
};

/** Why a coding agent should not change accounts (docs/kimi-api.md#prompt-cache). */
export const STICKY_ADVICE =
  'For coding agents sticky is best: the prompt cache belongs to the account, and a cached input token costs a tenth. An agent sends its whole conversation with each request, and a change of account pays for all of it again.';
