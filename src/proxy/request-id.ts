import { randomUUID } from 'node:crypto';

const COUNTED_DIGITS = 6;
const COUNTED_MAX = 16 ** COUNTED_DIGITS;

let prefix = '';
let count = COUNTED_MAX;

/**
 * A UUID of version 4 that no other request has. Random but for its last six digits, which count: drawing every one anew
 * costs as much as tracing the request, and an id in a trace need not be unguessable.
 */
export function nextRequestId(): string {
  if (count === COUNTED_MAX) {
    prefix = randomUUID().slice(0, -COUNTED_DIGITS);
    count = 0;
  }
  const digits = count.toString(16).padStart(COUNTED_DIGITS, '0');
  count += 1;
  return prefix + digits;
}
