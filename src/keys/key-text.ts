import { createHash } from 'node:crypto';
import { isExample, isReference } from '../core/keys/placeholder.ts';
import { type AuthProblem, problem } from './auth-entry.ts';
import { isKimiUrl } from './key-hosts.ts';

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

/** Would a person who wrote this have meant a key? Kimi's begin with `sk-`. */
export function looksLikeKey(text: string): boolean {
  return isSendable(text) && (/^sk-/i.test(text) || /^[A-Za-z0-9_-]{40,}$/.test(text));
}

/** Why a text that stands where a key belongs is none that may be sent to `baseUrl`; null when nothing is wrong with it. */
export function problemOfKey(value: string, baseUrl: string): AuthProblem | null {
  if (value.length > LONGEST_KEY) return unsendable();
  if (isReference(value)) {
    return of('placeholder', 'The key is a reference that nothing has replaced, such as $NAME; write the key itself.');
  }
  if (holdsSeveral(value)) {
    return of('several_keys', 'The value holds several keys; put each into a file of its own (`kmi keys add`).');
  }
  if (isExample(value)) return of('placeholder', 'The key is a placeholder or a shortened key; write the whole key itself.');
  if (isAddress(value)) return of('malformed', 'The value is an address or a path, not a key; write the key itself.');
  if (!isSendable(value)) return unsendable();
  if (/[,;]/.test(value)) return of('malformed', 'The key has a comma or a semicolon in it, which no key has.');
  // Keys in base64, which has slashes, do not begin so.
  if (/[/\\]/.test(value) && /(?:^|[/\\])sk-/i.test(value)) {
    return of('malformed', 'The key has a slash in it, which no key of Kimi has.');
  }
  if (OTHER_COMPANIES_KEY.test(value) && isKimiUrl(baseUrl)) {
    return of('malformed', 'The key is from another company, but its base URL belongs to Kimi.');
  }
  return null;
}

/** Prefixes under which other companies hand out their keys. */
const OTHER_COMPANIES_KEY = /^(?:sk-(?:ant|proj|svcacct|admin|or)-|AIza|gsk_|xai-|gh[opsu]_|github_pat_|hf_|nvapi-|pplx-|AKIA)/;

function holdsSeveral(value: string): boolean {
  const parts = value.split(/[\s,;|"'`[\]{}()]+/).filter((part) => looksLikeKey(part) || /^[\w-]{16,}$/.test(part));
  return parts.length > 1 || (value.match(/sk-kimi-/g)?.length ?? 0) > 1;
}

function isAddress(value: string): boolean {
  if (!/[/\\]/.test(value)) return false;
  if (/^[\w.-]+\/.*\.(?:txt|key|env|json|toml|ya?ml|pem)$/i.test(value)) return true;
  return /^[a-z][a-z0-9+.-]*:\/\/|^(?:~|\.{1,2})[/\\]|^[a-z]:\\|^\/(?:run|etc|var|home|Users|root|opt|tmp|mnt|secrets)\//i.test(
    value,
  );
}

function unsendable(): AuthProblem {
  return of('malformed', 'The key has characters, or a length, that cannot be sent in a request header.');
}

function of(...args: Parameters<typeof problem>): AuthProblem {
  return problem(...args).problem;
}

/** First 12 hex digits of the SHA-256 of the key. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}
