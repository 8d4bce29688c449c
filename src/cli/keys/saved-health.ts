import type { App } from '../../app.ts';
import { type KeyHealth, readingAt } from '../../core/quota/key-health.ts';
import { readQuotaReadings } from '../../state/quota-readings.ts';

/** What the proxy or a command last read of the keys' quota, by label, as far as it still holds. Asks nobody; empty in dry-run. */
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
