import { wrapToWidth } from './width.ts';

/** Columns of "kmi: ", under which the hint stands. */
const INDENT = 5;
const LIST_INDENT = 2;

/**
 * What a command ends with, and what to do about it. Lines of a message stay lines; each is wrapped under its beginning, one of a list
 * further in.
 */
export function renderError(message: string, hint: string, columns: number): readonly string[] {
  return `kmi: ${message}\n${' '.repeat(INDENT)}${hint}`.split('\n').flatMap((line) => {
    const bare = line.trimStart();
    const own = line.length - bare.length;
    const indent = own === 0 || own === INDENT ? INDENT : own + LIST_INDENT;
    const [first = '', ...rest] = wrapToWidth(bare, Math.max(20, columns - indent));
    return [' '.repeat(own) + first, ...rest.map((part) => ' '.repeat(indent) + part)];
  });
}
