import type { App } from '../../app.ts';
import { type KeyHealth, readingAt } from '../../core/quota/key-health.ts';
import { readQuotaReadings } from '../../state/quota-readings.ts';

/** The last quota readings of the proxy or a command that still hold, by label. Sends nothing; empty in dry-run. */
export async function savedHealth({ config, registry, clock }: Pick<App, 'config' | 'registry' | 'clock'>) {
  const health = new Map<string, KeyHealth>();
  if (config.dryRun) return health;
  const now = clock();
  for (const [label, reading] of await readQuotaReadings(config.stateDir, registry.keys, now)) {
    const known = readingAt(reading, now);
    if (known !== null) health.set(label, known);
  }
  return health;
}
