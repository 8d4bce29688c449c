/** Tokens that answers stated: `input` is the whole prompt, cached part included; `output` includes `reasoning`. */
export type Stated = { input: number; cached: number; output: number; reasoning: number };

export function nothingStated(): Stated {
  return { input: 0, cached: 0, output: 0, reasoning: 0 };
}

/** A usage object with at most one level inside, all of it. */
const USAGE = /"usage":(\{(?:[^{}]|\{[^{}]*\})*\})/;

type Usage = {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly cached_tokens?: number;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly input_tokens_details?: { readonly cached_tokens?: number };
  readonly output_tokens_details?: { readonly reasoning_tokens?: number };
};

/**
 * What a part of an answer states, or null; a usage object that is cut off states nothing. Read from the bytes as they
 * leave, so that the books say what a client can have read, however the answer ends.
 */
export function statedIn(text: string): Stated | null {
  // Most events state nothing; looking for the name first is cheaper.
  const json = text.includes('"usage":{') ? USAGE.exec(text)?.[1] : undefined;
  if (json === undefined) return null;
  const usage = JSON.parse(json) as Usage;
  const cached = usage.cached_tokens ?? usage.cache_read_input_tokens ?? usage.input_tokens_details?.cached_tokens ?? 0;
  return {
    // Anthropic counts cached tokens beside `input_tokens`.
    input: usage.prompt_tokens ?? (usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0),
    cached,
    output: usage.completion_tokens ?? usage.output_tokens ?? 0,
    reasoning: (usage.completion_tokens_details ?? usage.output_tokens_details)?.reasoning_tokens ?? 0,
  };
}

/** Writes a statement down. `before`: what the same answer had stated, which the new statement replaces. */
export function writeDown(books: Stated, statement: Stated, before: Stated | null): void {
  for (const field of ['input', 'cached', 'output', 'reasoning'] as const) {
    books[field] += statement[field] - (before?.[field] ?? 0);
  }
}
