/**
 * Nothing but visible ASCII and blanks, as most names and paths are: no control, format or direction characters in it. To be asked before a
 * pattern of Unicode's properties, which takes longer to make than a folder of keys to read (`status` of `npm run bench:cli`).
 */
export function isPrintableAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
