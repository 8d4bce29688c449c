import type { SimulatedAccount } from './account.ts';
import { ERRORS, type UpstreamError } from './errors.ts';
import { knowsModel } from './models.ts';
import type { Prompt } from './prompt.ts';
import type { WindowName } from './quota.ts';

/** A chat the account has agreed to answer. One content or reasoning delta is one output token. */
export type Chat = {
  readonly account: string;
  /** Counts from 1 for each account. */
  readonly number: number;
  readonly model: string;
  /** Epoch seconds. */
  readonly created: number;
  readonly includeUsage: boolean;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly reasoning: readonly string[];
  readonly content: readonly string[];
  /** The answer says how many of its tokens were reasoning. */
  readonly statesReasoning: boolean;
};

const QUOTA_ERRORS: Record<WindowName, UpstreamError> = {
  fiveHour: ERRORS.quota_5h,
  weekly: ERRORS.quota_weekly,
  monthly: ERRORS.quota_monthly,
};

/**
 * Why the account refuses this chat at `now`, or null. A full window refuses unless the wallet can pay
 * (docs/kimi-api.md#wallet).
 */
export function refusalOf(account: SimulatedAccount, prompt: Prompt, bodyBytes: number, now: number): UpstreamError | null {
  const { behaviour, models, parallelLimit, wallet } = account;
  if (behaviour.messageLimitBytes !== null && bodyBytes > behaviour.messageLimitBytes) {
    const message = `Invalid request: total message size ${bodyBytes} exceeds limit ${behaviour.messageLimitBytes}`;
    return { ...ERRORS.message_too_large, message };
  }
  if (behaviour.enforceModels && !(models ?? []).includes(prompt.model)) {
    if (!knowsModel(prompt.model)) {
      return { ...ERRORS.model_not_found, message: `Not found the model ${prompt.model} or Permission denied` };
    }
    if (models !== null) {
      const message = `Your current subscription does not have access to ${prompt.model}. Please upgrade your plan.`;
      return { ...ERRORS.no_model_access, message };
    }
  }
  const strange = prompt.files.find((id) => !account.hasFile(id));
  if (strange !== undefined) return { ...ERRORS.file_not_found, message: `Invalid request: file ${strange} is not found` };
  if (parallelLimit !== null && account.inFlight >= parallelLimit) return ERRORS.concurrency;
  const full = account.quota.full(now);
  if (full === null || (wallet !== null && wallet.cents >= wallet.costCents)) return null;
  return wallet === null ? QUOTA_ERRORS[full] : ERRORS.credit_empty;
}

/** Takes the chat on: charges the quota (or the wallet when a window is full), uses the cache, writes the books. */
export function acceptChat(account: SimulatedAccount, prompt: Prompt, now: number): Chat {
  const { behaviour, books, quota, wallet } = account;
  account.accepted += 1;
  const number = account.accepted;
  const cachedTokens = account.cache.use(prompt.session, prompt.tokens, now);
  if (wallet !== null && quota.full(now) !== null) wallet.cents -= wallet.costCents;
  else quota.charge(prompt.tokens + behaviour.reasoningChunks + behaviour.chunks, now);
  books.inputTokens += prompt.tokens;
  books.cachedTokens += cachedTokens;
  return {
    account: account.name,
    number,
    model: prompt.model,
    created: Math.floor(now / 1000),
    includeUsage: prompt.includeUsage,
    promptTokens: prompt.tokens,
    cachedTokens,
    reasoning: cutText(`Account ${account.name} thinks about request ${number}.`, behaviour.reasoningChunks),
    content: cutText(`Hello from account ${account.name}, request ${number}.`, behaviour.chunks),
    statesReasoning: behaviour.statesReasoning,
  };
}

/** `count` pieces of the text, a word each, beginning again as often as needed. */
function cutText(text: string, count: number): string[] {
  const words = text.split(' ');
  return Array.from({ length: count }, (_, index) => `${index === 0 ? '' : ' '}${words[index % words.length]}`);
}
