import { clockText } from '../../../core/text/duration.ts';
import { failureWords } from '../../../core/verdicts/upstream-failure.ts';
import type { Alert } from './alerts.ts';
import type { StatusReport } from './report.ts';

/** One failure may be chance. */
const ENOUGH = 2;

/** The upstream fails, whatever the keys: from the running proxy's memory. */
export function failingAlerts({ probe, now, config }: Pick<StatusReport, 'probe' | 'now' | 'config'>): Alert[] {
  const failing = probe.kind === 'running' ? (probe.about?.failing ?? null) : null;
  if (failing === null || failing.requests < ENOUGH) return [];
  const since = clockText(failing.since, now, config.timezone);
  return [
    {
      level: 'bad',
      text: `The last ${failing.requests} requests failed: ${failureWords(failing)}, since ${since}.`,
      fix: '`kmi why last` shows the last one; `kmi doctor` checks the way to the upstream.',
    },
  ];
}
