import { zonedStamp } from '../../../core/text/zoned-time.ts';
import { groupUsage, keysByAccount, totalUsage, USAGE_GROUPS, type UsageGrouping } from '../../../core/tokens/usage-row.ts';
import { parseSince, SINCE_ACCEPTS } from '../../../daemon/since.ts';
import { KmiError } from '../../../errors.ts';
import { readUsage } from '../../../usage/usage-reader.ts';
import type { Command } from '../../command/context.ts';
import { sayMode } from '../../command/say-mode.ts';
import { tokensToJson } from '../tokens-today.ts';
import { renderUsage, type UsageReport } from './view.ts';

type Options = { readonly by?: string; readonly since?: string; readonly json?: boolean };

const DEFAULT_SINCE = '7d';

/** `kmi usage`: the tokens that were counted as answers passed through the proxy. Sends nothing. */
export const run: Command<Options> = async (context, { by, since = DEFAULT_SINCE, json = false }) => {
  const { config, out, style, width } = context;
  const grouping = groupingOf(by ?? 'key');
  const from = parseSince(since, Date.now(), config.timezone);
  if (from === null) throw new KmiError('bad_usage', `--since ${since.slice(0, 40)}: takes ${SINCE_ACCEPTS}.`);
  // Tokens are counted by day: the day of that time counts as a whole.
  const firstDay = zonedStamp(from, config.timezone).slice(0, 10);
  const rows = await readUsage(config.stateDir, { since: firstDay, until: null });
  const report: UsageReport = { rows, by: grouping, since: firstDay };
  if (!json) sayMode(context);
  const lines = json
    ? [JSON.stringify(toJson(report, config.timezone), null, 2)]
    : renderUsage(report, { columns: width, style });
  for (const line of lines) out(line);
  return 0;
};

function groupingOf(text: string): UsageGrouping {
  const found = USAGE_GROUPS.find((grouping) => grouping === text);
  if (found === undefined) throw new KmiError('bad_usage', `--by ${text.slice(0, 40)}: takes ${USAGE_GROUPS.join(', ')}.`);
  return found;
}

function toJson({ rows, by, since }: UsageReport, timezone: string) {
  const keys = by === 'account' ? keysByAccount(rows) : null;
  return {
    by,
    since,
    timezone,
    total: tokensToJson(totalUsage(rows)),
    groups: groupUsage(rows, by).map((group) => ({
      name: group.name,
      ...(keys === null ? {} : { keys: keys.get(group.name) ?? [] }),
      ...tokensToJson(group),
    })),
  };
}
