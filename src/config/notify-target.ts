import { isReference } from '../core/keys/placeholder.ts';
import { isLoopbackHost } from './loopback.ts';

/** The value of KMI_NOTIFY that means the desktop; any other that is not empty is the URL of a webhook. */
export const DESKTOP = 'desktop';

const OFF = /^(?:off|none|no|false|0)$/i;

/** Where notices go: empty for nowhere, `desktop`, or a webhook's URL. Null: the text is none of these. */
export function parseNotifyTarget(text: string): string | null {
  const target = text.trim();
  if (target === '' || OFF.test(target)) return '';
  if (target.toLowerCase() === DESKTOP) return DESKTOP;
  if (/\s/.test(target) || isReference(target) || !URL.canParse(target)) return null;
  const { protocol, hostname } = new URL(target);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
  return isSafe && hostname !== '' ? target : null;
}

/** Fit to be shown: of a webhook the scheme and host, for what follows is a secret. */
export function shownNotifyTarget(target: string): string {
  if (target === '') return '(not set)';
  if (target === DESKTOP) return DESKTOP;
  const { protocol, host } = new URL(target);
  return `${protocol}//${host}`;
}

/** What is shorter is no secret, and would be taken out of other words. */
const TELLING_CHARS = 6;

/** What must not reach a log: the URL and the part of it that lets anybody send there. */
export function notifySecrets(target: string): readonly string[] {
  if (target === '' || target === DESKTOP) return [];
  const { pathname, search, password } = new URL(target);
  return [target, ...[pathname, search, password].filter((part) => part.length >= TELLING_CHARS)];
}
