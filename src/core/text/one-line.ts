/**
 * Text from outside, made fit for a terminal, a table or a log line: control characters, line breaks and the invisible
 * characters that reorder or hide text become single spaces, and what is longer than `maxChars` (UTF-16 units) is cut
 * and ends in an ellipsis. Bounded work whatever the length of `text`.
 */
export function oneLine(text: string, maxChars: number): string {
  // Four times the room is enough for any text that is not mostly white space.
  const head = text.slice(0, maxChars * 4 + 64);
  const line = head.replace(UNPRINTABLE, ' ').replace(/ {2,}/g, ' ').trim();
  if (line.length <= maxChars && head.length === text.length) return line;
  const cut = line.slice(0, Math.max(0, maxChars - 1)).replace(/[\uD800-\uDBFF]$/, '');
  return `${cut.trimEnd()}…`;
}

const UNPRINTABLE = /[\s\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]+/gu;
