import { isPrintableAscii } from '../core/text/ascii.ts';

const LONGEST_LABEL = 80;
const LONGEST_EMAIL = 254;

/**
 * Text that is safe to show and store on one line: composed (NFC, as macOS file names are not), without control, format
 * and direction characters, white space collapsed. Bounded first, so that no pattern sees a long text.
 */
export function cleanText(text: string, longest: number = LONGEST_LABEL): string {
  const head = text.slice(0, longest * 4);
  const shown = isPrintableAscii(head) ? head : head.normalize('NFC').replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ');
  const clean = shown.replace(/\s+/gu, ' ').trim();
  return [...clean].slice(0, longest).join('').trim();
}

/** A path for display: as it is, but for characters that would move the cursor or split a line. */
export function cleanPath(path: string): string {
  return isPrintableAscii(path) ? path : path.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?');
}

/** `team_config` → `team`: less a trailing `config`, `_config` or `-config`, then trailing `_` and `-`. May be empty. */
export function stemLabel(stem: string): string {
  return cleanText(stem)
    .replace(/[_-]?config$/i, '')
    .replace(/[_-]+$/, '');
}

/** The text itself when the whole of it is an email address, else null. */
export function asEmail(value: unknown): string | null {
  // Most texts hold none, and these patterns take longer to make than a whole folder to read.
  if (typeof value !== 'string' || !value.includes('@') || value.length > LONGEST_EMAIL) return null;
  const text = value.trim();
  return /^[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+$/u.test(text) ? text : null;
}

/** The email address inside a file's label, such as `alice@example.com`, or null. */
export function emailInLabel(label: string): string | null {
  if (!label.includes('@')) return null;
  return asEmail(/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+/u.exec(label)?.[0].replace(/[.-]+$/, ''));
}
