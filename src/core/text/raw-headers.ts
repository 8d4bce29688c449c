/** First value of a header in a flat list of names and values, as `rawHeaders` is; `name` in lower case, the list in any. */
export function headerOf(flat: readonly string[], name: string): string | undefined {
  for (let n = 0; n + 1 < flat.length; n += 2) {
    const given = flat[n] as string;
    if (given.length === name.length && given.toLowerCase() === name) return flat[n + 1];
  }
  return undefined;
}
