import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addTokens,
  joinStatements,
  NO_TOKENS,
  parseUsageStatement,
  tokensOf,
  type UsageProtocol,
  type UsageStatement,
} from '../../../src/core/tokens/token-usage.ts';
import { usageInAnswer } from '../../../src/core/tokens/usage-in-answer.ts';

/** What several `usage` objects of one answer come to; null when none of them is one. */
function tokens(protocol: UsageProtocol, ...objects: readonly unknown[]) {
  let statement: UsageStatement | null = null;
  for (const object of objects) {
    const next = parseUsageStatement(object, protocol);
    if (next !== null) statement = joinStatements(statement, next);
  }
  return statement === null ? null : tokensOf(statement, protocol);
}

describe('usage of the OpenAI protocol', () => {
  it.each([
    [
      'cached tokens at the top level',
      { prompt_tokens: 90, completion_tokens: 7, cached_tokens: 60 },
      { input: 90, cached: 60, output: 7, reasoning: 0 },
    ],
    [
      'cached tokens in the details',
      { prompt_tokens: 90, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 60 } },
      { input: 90, cached: 60, output: 7, reasoning: 0 },
    ],
    [
      'a zero at the top level beside the details',
      { prompt_tokens: 90, completion_tokens: 7, cached_tokens: 0, prompt_tokens_details: { cached_tokens: 60 } },
      { input: 90, cached: 60, output: 7, reasoning: 0 },
    ],
    [
      'reasoning tokens',
      { prompt_tokens: 5, completion_tokens: 9, completion_tokens_details: { reasoning_tokens: 4 } },
      { input: 5, cached: 0, output: 9, reasoning: 4 },
    ],
    [
      'the fields of /responses',
      {
        input_tokens: 50,
        output_tokens: 8,
        input_tokens_details: { cached_tokens: 40 },
        output_tokens_details: { reasoning_tokens: 3 },
      },
      { input: 50, cached: 40, output: 8, reasoning: 3 },
    ],
    ['no output, as for embeddings', { prompt_tokens: 12, total_tokens: 12 }, { input: 12, cached: 0, output: 0, reasoning: 0 }],
    [
      'decimal strings and nulls',
      { prompt_tokens: '12', completion_tokens: '3', cached_tokens: null, prompt_tokens_details: null },
      { input: 12, cached: 0, output: 3, reasoning: 0 },
    ],
    ['more cached than there is', { prompt_tokens: 5, cached_tokens: 9 }, { input: 5, cached: 5, output: 0, reasoning: 0 }],
  ])('%s', (_, usage, expected) => {
    expect(tokens('openai', usage)).toEqual(expected);
  });
});

describe('usage of the Anthropic protocol', () => {
  const start = { input_tokens: 30, cache_read_input_tokens: 60, cache_creation_input_tokens: 10, output_tokens: 1 };

  it('the input is the whole prompt: what was read from and written to the cache included', () => {
    expect(tokens('anthropic', start)).toEqual({ input: 100, cached: 60, output: 1, reasoning: 0 });
  });

  it('the last output counts, whether or not the input is said again', () => {
    expect(tokens('anthropic', start, { output_tokens: 42 })).toEqual({ input: 100, cached: 60, output: 42, reasoning: 0 });
    expect(tokens('anthropic', start, { ...start, output_tokens: 42 })).toEqual({
      input: 100,
      cached: 60,
      output: 42,
      reasoning: 0,
    });
  });

  it('an input that is corrected later counts as corrected', () => {
    const corrected = { input_tokens: 20, cache_read_input_tokens: 80, output_tokens: 5 };
    expect(tokens('anthropic', { input_tokens: 100, output_tokens: 0 }, corrected)).toEqual({
      input: 100,
      cached: 80,
      output: 5,
      reasoning: 0,
    });
    expect(tokens('anthropic', { input_tokens: 0, output_tokens: 0 }, corrected)?.input).toBe(100);
  });

  it('a second message_start right before the end takes nothing back', () => {
    const again = { input_tokens: 0, output_tokens: 0 };
    const told = { input: 100, cached: 60, output: 42, reasoning: 0 };
    expect(tokens('anthropic', start, { output_tokens: 42 }, again)).toEqual(told);
    expect(tokens('anthropic', start, { output_tokens: 42 }, start)).toEqual(told);
  });
});

it.each([
  null,
  undefined,
  7,
  'usage',
  [],
  {},
  { type: 'object', properties: { input_tokens: { type: 'integer' } } },
  { limit: '100', used: '3' },
  { prompt_tokens: -1 },
  { prompt_tokens: Number.NaN },
  { prompt_tokens: 1e20 },
  { prompt_tokens: [3] },
])('%j is no usage', (value) => {
  expect(tokens('openai', value)).toBeNull();
  expect(tokens('anthropic', value)).toBeNull();
});

it('whatever an upstream says, the parts are never larger than the whole, and nothing is negative or broken', () => {
  const field = fc.option(fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null)), { nil: undefined });
  const usage = fc.record({
    prompt_tokens: field,
    completion_tokens: field,
    cached_tokens: field,
    input_tokens: field,
    output_tokens: field,
    cache_read_input_tokens: field,
    cache_creation_input_tokens: field,
    completion_tokens_details: fc.option(fc.record({ reasoning_tokens: field })),
  });
  fc.assert(
    fc.property(fc.constantFrom('openai' as const, 'anthropic' as const), fc.array(usage), (protocol, said) => {
      const found = tokens(protocol, ...said);
      if (found === null) return;
      for (const count of Object.values(found)) expect(Number.isSafeInteger(count) && count >= 0).toBe(true);
      expect(found.cached).toBeLessThanOrEqual(found.input);
      expect(found.reasoning).toBeLessThanOrEqual(found.output);
    }),
  );
});

it('sums add field by field', () => {
  const one = { input: 1, cached: 2, output: 3, reasoning: 4 };
  expect(addTokens(addTokens(NO_TOKENS, one), one)).toEqual({ input: 2, cached: 4, output: 6, reasoning: 8 });
});

it('usage is read where the protocols put it, and no deeper', () => {
  const usage = { prompt_tokens: 4, completion_tokens: 2 };
  for (const answer of [{ usage }, { response: { usage } }, { message: { usage } }, { choices: [{ delta: {}, usage }] }]) {
    expect(usageInAnswer(answer, 'openai')).toMatchObject({ input: 4, output: 2 });
  }
  for (const answer of [null, [], { content: [{ input: { usage } }] }, { choices: [{ message: { usage } }] }, { usage: null }]) {
    expect(usageInAnswer(answer, 'openai')).toBeNull();
  }
});
