import { wrapToWidth } from './width.ts';

/** Columns of "kmi: ", under which the hint stands. */
const INDENT = 5;

/** What a command ends with, and what to do about it. Lines of a message stay lines; each is wrapped under its beginning. */
export function renderError(message: string, hint: string, columns: number): readonly string[] {
  return `kmi: ${message}\n${' '.repeat(INDENT)}${hint}`.split('\n').flatMap((line) => {
    const bare = line.trimStart();
    const indent = line.length - bare.length || INDENT;
    const [first = '', ...rest] = wrapToWidth(bare, Math.max(20, columns - indent));
    return [line.slice(0, line.length - bare.length) + first, ...rest.map((part) => ' '.repeat(indent) + part)];
  });
}
