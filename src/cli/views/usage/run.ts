import { zonedStamp } from '../../../core/text/zoned-time.ts';
import { groupUsage, keysByAccount, totalUsage, USAGE_GROUPS, type UsageGrouping } from '../../../core/tokens/usage-row.ts';
import { KmiError } from '../../../errors.ts';
import { readUsage } from '../../../usage/usage-reader.ts';
import type { Command } from '../../command/context.ts';
import { sayMode } from '../../command/say-mode.ts';
import { instant } from '../../command/times.ts';
import { tokensToJson } from '../tokens-today.ts';
import { renderUsage, type UsageReport } from './view.ts';

type Options = { readonly by?: string; readonly since?: string; readonly until?: string; readonly json?: boolean };

const DEFAULT_SINCE = '7d';

/** `kmi usage`: the tokens that were counted as answers passed through the proxy. Sends nothing. */
export const run: Command<Options> = async (context, { by, since = DEFAULT_SINCE, until, json = false }) => {
  const { config, out, style, width } = context;
  const grouping = groupingOf(by ?? 'key');
  // Tokens are counted by day: the day of a time counts as a whole.
  const dayOf = (option: string, text: string) =>
    zonedStamp(instant(option, text, config.timezone), config.timezone).slice(0, 10);
  const firstDay = dayOf('--since', since);
  const lastDay = until === undefined ? null : dayOf('--until', until);
  if (lastDay !== null && lastDay < firstDay) {
    throw new KmiError('bad_usage', `--until ${lastDay} lies before --since ${firstDay}.`, {
      hint: 'For example: `kmi usage --since yesterday --until yesterday`.',
    });
  }
  const rows = await readUsage(config.stateDir, { since: firstDay, until: lastDay });
  const report: UsageReport = { rows, by: grouping, since: firstDay, until: lastDay };
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

function toJson({ rows, by, since, until }: UsageReport, timezone: string) {
  const keys = by === 'account' ? keysByAccount(rows) : null;
  return {
    by,
    since,
    until,
    timezone,
    total: tokensToJson(totalUsage(rows)),
    groups: groupUsage(rows, by).map((group) => ({
      name: group.name,
      ...(keys === null ? {} : { keys: keys.get(group.name) ?? [] }),
      ...tokensToJson(group),
    })),
  };
}
