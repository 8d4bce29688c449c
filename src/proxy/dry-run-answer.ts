import type { IncomingMessage, ServerResponse } from 'node:http';
import { KmiError } from '../errors.ts';
import type { Affinity } from './affinity.ts';
import type { FailoverResult } from './failover.ts';
import type { KeyPool } from './key-pool.ts';
import { sendJson } from './own-answers.ts';
import type { Target } from './target.ts';
import type { UpstreamTargets } from './upstream-targets.ts';

/** Dry-run: a key is chosen, counted and traced as for a real request, and nothing is sent (docs/kmi-manager.md#dry-run). */
export function answerDryRun(
  { pool, targets }: { readonly pool: KeyPool; readonly targets: UpstreamTargets },
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  affinity: Affinity,
): FailoverResult {
  const choice = pool.choose(undefined, affinity);
  const entry = choice.candidate;
  if (entry === null) {
    const error = new KmiError(pool.entries.length === 0 ? 'no_keys' : 'no_eligible_key', 'Dry-run: no key can serve now.');
    return { entry: null, choice, failures: [], end: { kind: 'no-key', error } };
  }
  const { origin, basePath } = targets.of(entry.key.baseUrl);
  const body = JSON.stringify({
    dry_run: true,
    upstream_url: `${origin}${basePath}${target.endpoint}${target.query}`,
    method: request.method,
    path: target.endpoint,
    key_label: entry.key.label,
  });
  sendJson(response, 200, body, ['X-KMI-Dry-Run', 'true']);
  pool.served(entry, [], affinity);
  return { entry, choice, failures: [], end: { kind: 'served', status: 200, brokenBy: null } };
}
