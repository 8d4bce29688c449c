/** A word for sh, bash, zsh and fish that stands for itself whatever is in it. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
