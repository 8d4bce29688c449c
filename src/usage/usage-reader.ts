import type { UsageRow } from '../core/tokens/usage-row.ts';
import { KmiError, reasonOf } from '../errors.ts';
import { listDays, readDay, usageFolder } from './day-file.ts';

export type UsagePeriod = {
  /** First day ("2026-02-02"); null = from the beginning. */
  readonly since: string | null;
  /** Last day; null = to the end. */
  readonly until: string | null;
};

/** What was counted in a period, oldest first, as far as it is saved: increments of rows. Throws `state_unusable`. */
export async function readUsage(stateDir: string, { since, until }: UsagePeriod): Promise<UsageRow[]> {
  const folder = usageFolder(stateDir);
  try {
    const days = (await listDays(folder)).filter((day) => (since === null || day >= since) && (until === null || day <= until));
    const rows: UsageRow[] = [];
    for (const day of days) for (const row of await readDay(folder, day)) rows.push(row);
    return rows;
  } catch (error) {
    throw new KmiError('state_unusable', `The token accounts in ${folder} cannot be read (${reasonOf(error)}).`, {
      cause: error,
    });
  }
}
