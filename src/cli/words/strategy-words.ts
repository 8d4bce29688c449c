import { STRATEGIES, type Strategy, type TurnReason, type TurnTaker } from '../../core/choosing/strategy.ts';

/** A strategy on the screens. A new one is not complete without all of it. */
export type StrategyWords = {
  /** What it does with a request; a sentence without its first capital and its full stop. */
  readonly does: string;
  /** The same for the help: lines of at most 47 columns. */
  readonly help: readonly string[];
  /** What `kmi rotate` says when a person has chosen a key and this strategy is on. */
  readonly choiceWaits: { readonly english: string; readonly russian: string };
  /** What becomes of sessions, in `kmi status`; null when it takes no notice of them. */
  readonly sessions: string | null;
};

export const STRATEGY_WORDS: Readonly<Record<Strategy, StrategyWords>> = {
  'round-robin': {
    does: 'each request takes the next key',
    help: ['each request takes the next key that can serve'],
    choiceWaits: {
      english: 'Round-robin is on: requests take turns, and this choice applies after `kmi rotate off`.',
      russian: 'Включена ротация по кругу: выбор вступит в силу после `kmi rotate off`.',
    },
    sessions: null,
  },
  sticky: {
    does: 'a session stays with its account, and new ones are spread evenly',
    help: ['a session stays with its account while that can serve;', 'new sessions are spread evenly'],
    choiceWaits: sessionsStay('sticky'),
    sessions: 'stay with their account; new ones are spread evenly',
  },
  quota: {
    does: 'a session stays with its account, and new ones go where quota expires first',
    help: ['as sticky, but new sessions go where quota expires', 'first'],
    choiceWaits: sessionsStay('quota'),
    sessions: 'stay with their account; new ones go where quota expires first',
  },
  weighted: {
    does: 'accounts take turns in proportion to their KMI_KEY_WEIGHT',
    help: ['accounts take turns in proportion to their', 'KMI_KEY_WEIGHT (1 to 1000, default 100)'],
    choiceWaits: {
      english: 'Auto-rotation is on (weighted): accounts take turns by weight, and this choice applies after `kmi rotate off`.',
      russian: 'Включена авторотация (weighted): аккаунты чередуются по весу, выбор вступит в силу после `kmi rotate off`.',
    },
    sessions: null,
  },
};

function sessionsStay(strategy: Strategy): StrategyWords['choiceWaits'] {
  return {
    english: `Auto-rotation is on (${strategy}): sessions stay with their accounts, and this choice applies after \`kmi rotate off\`.`,
    russian: `Включена авторотация (${strategy}): сессии остаются на своих аккаунтах, выбор вступит в силу после \`kmi rotate off\`.`,
  };
}

/** Why a key was chosen in its turn: completes "chosen: ...". */
export const TURN_WORDS: Readonly<Record<TurnReason, string>> = {
  round_robin: 'round-robin, it was its turn',
  weighted: 'by weight, it was the turn of its account',
  dealt: 'the request has no session, and it was the turn of its account',
};

/** What `kmi e2e` says of a rotation. */
export type TurnTakerWords = {
  /** That each got its share, and that not each did. */
  readonly fair: string;
  readonly unfair: string;
  /** The one that could serve, by the label of its key. */
  readonly sole: (label: string) => string;
  /** What requests divide by. */
  readonly plural: string;
  /** What a check shows that says more. */
  readonly more: string;
  /** What the check does not see. */
  readonly unseen: string;
};

const A_MULTIPLE = 'a multiple of their number shows more';

export const TURN_TAKER_WORDS: Readonly<Record<TurnTaker, TurnTakerWords>> = {
  keys: {
    fair: 'the rotation is even',
    unfair: 'the rotation is not even',
    sole: (label) => label,
    plural: 'keys',
    more: A_MULTIPLE,
    unseen: '',
  },
  accounts: {
    fair: 'the turns of the accounts are even',
    unfair: 'the turns of the accounts are not even',
    sole: (label) => `the account of ${label}`,
    plural: 'accounts',
    more: A_MULTIPLE,
    unseen: ' Sessions, which stay with their account, are not part of this check.',
  },
  weights: {
    fair: 'each account got the share its weight asks for',
    unfair: 'not each account got the share its weight asks for',
    sole: (label) => `the account of ${label}`,
    plural: 'weights of the accounts',
    more: 'more requests show more',
    unseen: '',
  },
};

/** The strategies as a list of the help: a name and what it does. */
export function strategyHelp(): string {
  return STRATEGIES.flatMap((name) =>
    STRATEGY_WORDS[name].help.map((line, n) => `  ${(n === 0 ? name : '').padEnd(11)}  ${line}`),
  ).join('\n');
}

/** Why a coding agent should not change accounts (docs/kimi-api.md#prompt-cache). */
export const STICKY_ADVICE =
  'For coding agents sticky is best: the prompt cache belongs to the account, and a cached input token costs a tenth. An agent sends its whole conversation with each request, and a change of account pays for all of it again.';
