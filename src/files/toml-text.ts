// Loaded on demand only (`await import`): a folder of .env files must not pay for the TOML parser.
import { parse, TomlError } from 'smol-toml';
import type { Table } from './toml-table.ts';

/** Parses TOML. The problem names a place, never the text: the parser's own messages quote whole lines, keys included. */
export function parseToml(text: string): { readonly data: Table } | { readonly problem: string } {
  try {
    // Whole numbers beyond 2^53 are valid TOML and no reason to refuse a file.
    return { data: parse(text, { integersAsBigInt: 'asNeeded' }) };
  } catch (error) {
    const place = error instanceof TomlError ? ` (line ${error.line}, column ${error.column})` : '';
    return { problem: `The file is not valid TOML${place}.` };
  }
}
