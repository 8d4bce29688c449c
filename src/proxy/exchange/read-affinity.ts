import type { IncomingMessage } from 'node:http';
import type { KnownPlaces } from '../../core/json/top-level-member.ts';
import { fileAccountInTarget, findFileAccount, listedAt } from '../../core/sessions/file-references.ts';
import { findSession } from '../../core/sessions/session.ts';
import { headerOf } from '../../core/text/raw-headers.ts';
import type { Target } from '../http/target.ts';
import { Affinity, NO_AFFINITY } from '../pool/affinity.ts';
import type { KeyPool } from '../pool/key-pool.ts';
import type { BodyText } from './packed-text.ts';

const NO_CHUNKS: readonly Buffer[] = [];
const NO_HEADER = () => undefined;

/**
 * Reads whatever ties the request to an account; null when the whole body must have come first. A session named in a
 * header is known at once; one that only the body names is looked for in the whole body, because clients may put the name
 * behind the messages. That is the price of `sticky` and `quota`: such a request goes out when it has arrived, and not
 * while it arrives. A body too large to be held is not waited for.
 */
export function readAffinity(
  pool: KeyPool,
  request: IncomingMessage,
  target: Target,
  text: BodyText,
  places: KnownPlaces,
): Affinity | null {
  const { keepsSessions, knowsFiles } = pool;
  if (!keepsSessions && !knowsFiles) return NO_AFFINITY;
  const header = (name: string) => headerOf(request.rawHeaders, name);
  let session = keepsSessions ? findSession(header, NO_CHUNKS, places) : null;
  let fileAccountId = knowsFiles ? accountOfTarget(pool, request, target) : null;
  const wantsSession = keepsSessions && session === null;
  const wantsFile = knowsFiles && fileAccountId === null;
  if (request.method !== 'POST' || !(wantsSession || wantsFile) || !isJson(header('content-type')))
    return new Affinity(session, fileAccountId, keepsSessions);
  if (!text.isSettled) return null;
  if (text.canReplay) {
    if (wantsSession) session = findSession(NO_HEADER, text.held, places, pool.knowsSession);
    if (wantsFile) fileAccountId = findFileAccount(text.held, pool.accountOfFile);
  }
  return new Affinity(session, fileAccountId, keepsSessions);
}

/** A list is an account's own: whoever asks for one most likely looks for what was made last. */
function accountOfTarget(pool: KeyPool, { method }: IncomingMessage, { endpoint, query }: Target): string | null {
  const named = fileAccountInTarget(endpoint, query, pool.accountOfFile);
  if (named !== null || method !== 'GET') return named;
  const listed = listedAt(endpoint);
  return listed === null ? null : pool.accountOfLatest(listed);
}

function isJson(contentType: string | undefined): boolean {
  return contentType === undefined || /\bjson\b/i.test(contentType);
}
