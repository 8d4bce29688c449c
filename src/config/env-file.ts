import { parse } from 'dotenv';
import { textOf } from '../files/text-bytes.ts';
import { withoutBlankLines } from './blank-lines.ts';
import { isOurName } from './known-names.ts';

/** `certain`: the bytes are text of a known encoding, or what they say for kmi is the same in every one. */
export type EnvText = { readonly text: string; readonly values: Readonly<Record<string, string>>; readonly certain: boolean };

/**
 * An env file's text and variables. Bytes of an older code page are read as far as they are plain ASCII: a comment in one
 * changes nothing, a setting of kmi with such letters is not certain.
 */
export function readEnvText(bytes: Uint8Array): EnvText {
  const known = textOf(bytes);
  const text = known ?? Buffer.from(bytes).toString('latin1').replaceAll('\0', '');
  // dotenv would be slow on a hostile text.
  const values = parse(withoutBlankLines(text));
  const certain = known !== null || (!bytes.includes(0) && ours(values).every(isAscii));
  return { text, values, certain };
}

/** Does the file say anything for kmi, in whatever encoding? */
export function mentionsUs({ text, values }: EnvText): boolean {
  return ours(values).length > 0 || /\bKMI_\w/i.test(text);
}

function ours(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => (isOurName(name) ? [`${name}=${value}`] : []));
}

function isAscii(text: string): boolean {
  return /^[\t\r\n -~]*$/.test(text);
}
