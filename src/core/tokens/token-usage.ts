import { fieldOf, type JsonRecord, numberOf, recordOf } from '../json/json-value.ts';

/** Tokens of one answer, or of many. `input` is the whole prompt, cached part included; `output` includes `reasoning`. */
export type TokenUsage = {
  readonly input: number;
  /** The part of `input` that the prompt cache served. */
  readonly cached: number;
  readonly output: number;
  /** The part of `output` that was reasoning, where the upstream says so. */
  readonly reasoning: number;
};

export const NO_TOKENS: TokenUsage = { input: 0, cached: 0, output: 0, reasoning: 0 };

export function addTokens(one: TokenUsage, other: TokenUsage): TokenUsage {
  return {
    input: one.input + other.input,
    cached: one.cached + other.cached,
    output: one.output + other.output,
    reasoning: one.reasoning + other.reasoning,
  };
}

/** Which protocol an answer speaks; it decides what `input_tokens` means. */
export type UsageProtocol = 'openai' | 'anthropic';

/** The protocol of the usage that answers of this endpoint state; null for endpoints that cost no tokens. */
export function usageProtocolOf(endpoint: string): UsageProtocol | null {
  if (endpoint === '/messages') return 'anthropic';
  return endpoint === '/chat/completions' || endpoint === '/responses' || endpoint === '/completions' ? 'openai' : null;
}

/** What one `usage` object says; null where it is silent. */
export type UsageStatement = {
  /** As the protocol counts it: OpenAI with cached tokens, Anthropic without. */
  readonly input: number | null;
  readonly cached: number | null;
  /** Anthropic only: tokens read in full and put into the cache. */
  readonly cacheWritten: number | null;
  readonly output: number | null;
  readonly reasoning: number | null;
};

/**
 * Reads a `usage` object; null when it is none. OpenAI: `prompt_tokens` (`input_tokens` on `/responses`), cached tokens at
 * the top level or in the details (docs/kimi-api.md#token-counts). Anthropic: `input_tokens` beside
 * `cache_read_input_tokens` and `cache_creation_input_tokens`.
 */
export function parseUsageStatement(value: unknown, protocol: UsageProtocol): UsageStatement | null {
  const usage = recordOf(value);
  if (usage === null) return null;
  const statement = protocol === 'anthropic' ? anthropicStatement(usage) : openAiStatement(usage);
  return statement.input === null && statement.output === null && statement.cached === null ? null : statement;
}

function openAiStatement(usage: JsonRecord): UsageStatement {
  const inputDetails = recordOf(fieldOf(usage, 'prompt_tokens_details', 'input_tokens_details'));
  const outputDetails = recordOf(fieldOf(usage, 'completion_tokens_details', 'output_tokens_details'));
  return {
    input: countOf(fieldOf(usage, 'prompt_tokens', 'input_tokens')),
    cached: largest(countOf(fieldOf(usage, 'cached_tokens')), countOf(fieldOf(inputDetails, 'cached_tokens'))),
    cacheWritten: null,
    output: countOf(fieldOf(usage, 'completion_tokens', 'output_tokens')),
    reasoning: countOf(fieldOf(outputDetails, 'reasoning_tokens') ?? fieldOf(usage, 'reasoning_tokens')),
  };
}

function anthropicStatement(usage: JsonRecord): UsageStatement {
  return {
    input: countOf(fieldOf(usage, 'input_tokens')),
    cached: countOf(fieldOf(usage, 'cache_read_input_tokens')),
    cacheWritten: countOf(fieldOf(usage, 'cache_creation_input_tokens')),
    output: countOf(fieldOf(usage, 'output_tokens')),
    reasoning: countOf(fieldOf(recordOf(fieldOf(usage, 'output_tokens_details')), 'reasoning_tokens', 'thinking_tokens')),
  };
}

/** More tokens than any answer has; such a number is no count. */
const LARGEST_COUNT = 1e10;

function countOf(value: unknown): number | null {
  const count = numberOf(value);
  return count === null || count < 0 || count > LARGEST_COUNT ? null : Math.trunc(count);
}

function largest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}

/**
 * What two statements of one answer say together, the earlier first (Anthropic states the input in `message_start`, and
 * once more, corrected or not, with the output in `message_delta`). Of the input the later statement counts, unless it
 * says nothing but zeros; the output only grows, because a second `message_start` right before `message_stop` (seen,
 * docs/kimi-api.md#streams) states it as 0 again.
 */
export function joinStatements(earlier: UsageStatement | null, later: UsageStatement): UsageStatement {
  if (earlier === null) return later;
  const saysInput = [later.input, later.cached, later.cacheWritten].some((count) => count !== null && count > 0);
  const input = saysInput ? later : earlier;
  const rest = saysInput ? earlier : later;
  return {
    input: input.input ?? rest.input,
    cached: input.cached ?? rest.cached,
    cacheWritten: input.cacheWritten ?? rest.cacheWritten,
    output: largest(earlier.output, later.output),
    reasoning: largest(earlier.reasoning, later.reasoning),
  };
}

/**
 * The statement in this project's terms. Anthropic's `input_tokens` leaves out what was read from or written to the cache
 * (the simulator and Anthropic's documentation agree), so the whole prompt is the sum of the three.
 */
export function tokensOf(statement: UsageStatement, protocol: UsageProtocol): TokenUsage {
  const { input, cached, cacheWritten, output, reasoning } = statement;
  const whole = protocol === 'anthropic' ? (input ?? 0) + (cached ?? 0) + (cacheWritten ?? 0) : (input ?? 0);
  return {
    input: whole,
    cached: Math.min(cached ?? 0, whole),
    output: output ?? 0,
    reasoning: Math.min(reasoning ?? 0, output ?? 0),
  };
}
