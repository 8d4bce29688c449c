import type { Config } from './config/settings.ts';
import type { Clock } from './core/text/time.ts';
import type { DryRunPort } from './proxy/ports.ts';

/** What answers in dry-run; null when requests are sent. A live proxy never loads the simulator. */
export async function loadDryRun({ dryRun }: Pick<Config, 'dryRun'>, clock: Clock): Promise<DryRunPort | null> {
  return dryRun ? (await import('./simulator/dry-run.ts')).createDryRun(clock) : null;
}
