import type { App } from '../../app.ts';
import { zonedStamp } from '../../core/text/zoned-time.ts';
import { NO_TOKENS } from '../../core/tokens/token-usage.ts';
import { type Counted, groupUsage } from '../../core/tokens/usage-row.ts';
import { reasonOf } from '../../errors.ts';

/** What the proxy has counted since midnight in `KMI_TIMEZONE`, by key label. What cannot be read is warned of and empty. */
export async function tokensOfToday({
  config,
  clock,
  overrides,
}: Pick<App, 'config' | 'clock' | 'overrides'>): Promise<ReadonlyMap<string, Counted>> {
  const { readUsage } = await import('../../usage/usage-reader.ts');
  const day = zonedStamp(clock(), config.timezone).slice(0, 10);
  try {
    const rows = await readUsage(config.stateDir, { since: day, until: day });
    return new Map(groupUsage(rows, 'key').map(({ name, ...counted }) => [name ?? '', counted]));
  } catch (error) {
    overrides.warn?.(`the tokens of today cannot be shown: ${reasonOf(error)}`);
    return new Map();
  }
}

/** Counts of tokens, as every command's JSON has them; zeros where nothing was counted. */
export function tokensToJson({ requests, tokens }: Counted = { requests: 0, tokens: NO_TOKENS }) {
  const { input, cached, output, reasoning } = tokens;
  return {
    requests,
    input_tokens: input,
    cached_tokens: cached,
    cached_share: input === 0 ? null : cached / input,
    output_tokens: output,
    reasoning_tokens: reasoning,
  };
}
