import { fieldOf, recordOf } from '../json/json-value.ts';
import { parseUsageStatement, type UsageProtocol, type UsageStatement } from './token-usage.ts';

/**
 * The usage of a parsed answer or event, wherever the protocols put it: at the top, in Anthropic's `message`, in the
 * `response` of `/responses`, in the first choice (Moonshot's streams). Never deeper, where a tool call may have a field of
 * that name.
 */
export function usageInAnswer(answer: unknown, protocol: UsageProtocol): UsageStatement | null {
  const top = recordOf(answer);
  const choices = fieldOf(top, 'choices');
  const places = [top, fieldOf(top, 'message'), fieldOf(top, 'response'), Array.isArray(choices) ? choices[0] : null];
  for (const place of places) {
    const statement = parseUsageStatement(fieldOf(recordOf(place), 'usage'), protocol);
    if (statement !== null) return statement;
  }
  return null;
}
