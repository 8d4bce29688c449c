/** dotenv's pattern takes time that grows with the square of a run of blank lines; they mean nothing in an env file. */
export function withoutBlankLines(text: string): string {
  return text
    .split(/[\n\r\u2028\u2029]/)
    .filter((line) => line.trim() !== '')
    .join('\n');
}
