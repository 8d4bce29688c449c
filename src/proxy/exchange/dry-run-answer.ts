import type { ServerResponse } from 'node:http';
import type { Affinity } from '../pool/affinity.ts';
import { type NoKeyParts, noKeyError } from '../pool/no-key-error.ts';
import type { DryRunPort } from '../ports.ts';
import type { ExchangeResult } from '../record/exchange-result.ts';
import type { ClientRequest } from './attempt-plan.ts';

/**
 * Dry-run: a key is chosen, counted and traced as for a real request whose body is whole, and nothing is sent. The client gets what the
 * upstream might have said, so that it is as content as it will be when kmi is live.
 */
export function answerDryRun(
  parts: NoKeyParts,
  dryRun: DryRunPort,
  { request, route, body }: ClientRequest,
  response: ServerResponse,
  affinity: Affinity,
): ExchangeResult {
  const { pool } = parts;
  const choice = pool.choose(undefined, affinity);
  const entry = choice.candidate;
  if (entry === null) return { entry: null, choice, failures: [], end: { kind: 'no-key', error: noKeyError(choice, parts) } };
  const { headers, method = 'GET' } = request;
  const answer = dryRun({
    method,
    endpoint: route.endpoint,
    body: Buffer.concat(body.held),
    contentType: headers['content-type'],
    contentEncoding: headers['content-encoding'],
    accept: headers.accept,
    keyLabel: entry.key.label,
  });
  response.writeHead(answer.status, [...answer.headers, 'x-kmi-dry-run', 'true']);
  for (const part of answer.parts) response.write(part);
  response.end();
  pool.answered(entry, affinity);
  return { entry, choice, failures: [], end: { kind: 'served', status: answer.status, brokenBy: null } };
}
