import { createHash } from 'node:crypto';

const LONGEST_KEY = 4096;

/** Takes white space and quotes off both ends. A loop, because a pattern for it is slow on long runs of blanks. */
export function trimKey(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isPadding(text, start)) start += 1;
  while (end > start && isPadding(text, end - 1)) end -= 1;
  return text.slice(start, end);
}

function isPadding(text: string, index: number): boolean {
  const character = text.charAt(index);
  return character === '"' || character === "'" || character === '`' || character.trim() === '';
}

/** Can the key be sent as a bearer token: visible ASCII without blanks (RFC 6750 section 2.1, RFC 9110 section 5.5)? */
export function isSendable(key: string): boolean {
  return key.length <= LONGEST_KEY && /^[\x21-\x7e]+$/.test(key);
}

/** First 12 hex digits of the SHA-256 of the key (docs/kmi-manager.md#key-registry). */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}
