import { randomUUID } from 'node:crypto';

/** Hexadecimal digits at the front that no two ids of one run share: more than are shown or asked for anywhere. */
const OWN_DIGITS = 6;
const IDS_PER_TAIL = 16 ** OWN_DIGITS;
/** Odd, so that its multiples pass through every number of so many digits before one comes again, far from one another. */
const STEP = 0x9e3779;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

let tail = '';
let front = 0;
let left = 0;

/**
 * A UUID of version 4 that no other request has, also after a restart. Its first digits differ from one request to the
 * next, so that a trace can show them and `kmi why` find a request by them; the rest is drawn once for many, since drawing
 * every id anew costs as much as tracing the request, and an id in a trace need not be unguessable.
 */
export function nextRequestId(): string {
  if (left === 0) {
    const drawn = randomUUID();
    front = Number.parseInt(drawn.slice(0, OWN_DIGITS), 16);
    tail = drawn.slice(OWN_DIGITS);
    left = IDS_PER_TAIL;
  }
  front = (front + STEP) % IDS_PER_TAIL;
  left -= 1;
  return (BYTES[front >> 16] as string) + BYTES[(front >> 8) & 0xff] + BYTES[front & 0xff] + tail;
}
