import { type CommandRow, JSON_OPTION } from '../../command/command-row.ts';

export const USAGE: CommandRow = {
  name: 'usage',
  group: 'See what is going on',
  summary: 'show the tokens used, by key, account, model, day or session',
  details: `The proxy reads the tokens from the answers as they pass, also from aborted ones. Input is the whole prompt; cached is the part that the prompt cache served. An OpenAI stream reports its tokens only if the client sets stream_options.include_usage. An account is shown with the keys that it was counted for.

kmi keeps the last 100 days with tokens, and saves within a second. Beyond 1000 sessions a day (200 once the day is over), it counts the smallest together as "(other)".`,
  examples: ['kmi usage --since today', 'kmi usage --by day --since month', 'kmi usage --by model --json | jq .total'],
  options: [
    JSON_OPTION,
    { flags: '--by <key|account|model|day|session>', help: 'what to sum by (default key)' },
    {
      flags: '--since <time>',
      help: 'today, yesterday, week (from Monday), month, a span such as 30d, or a date (default 7d); the whole of that day',
      values: ['today', 'yesterday', 'week', 'month', '7d', '30d'],
    },
    { flags: '--until <time>', help: 'the last day, in the same words (default today)', values: ['yesterday', '7d', '30d'] },
  ],
  withoutSettings: true,
  withoutToken: true,
  settingsOf: 'proxy',
  load: () => import('./run.ts'),
};
