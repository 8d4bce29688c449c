// Loaded on demand only (`await import`), with the TOML parser.
import { isDeepStrictEqual } from 'node:util';
import { parseBaseUrl, withoutTrailingSlashes } from '../config/base-url.ts';
import { isTable, own, type Table } from '../files/toml-table.ts';
import { parseToml } from '../files/toml-text.ts';
import { chooseProvider, isKimiType, providersOf } from './provider-choice.ts';
import { isBelowPath, isSamePath, mapToml, type TomlLayout } from './toml-layout.ts';

export type Credentials = { readonly apiKey: string; readonly baseUrl: string };
export type CredentialField = 'api_key' | 'base_url';

export type Replacement = {
  readonly text: string;
  readonly provider: string;
  /** What the text says differently now; empty when it said so before. */
  readonly changed: readonly CredentialField[];
  /** As written before; null when it was absent, no text or longer than any URL. */
  readonly previousBaseUrl: string | null;
  /** The provider also has an `oauth` entry, which the Kimi CLI may prefer to the key. */
  readonly hasOauth: boolean;
};

type WantedFields = { readonly [Field in CredentialField]?: string };
type Edit = { readonly start: number; readonly end: number; readonly text: string };

/**
 * Puts the credentials into a Kimi CLI config, byte for byte the same elsewhere. `provider` null lets `chooseProvider` decide.
 *
 * A missing `api_key` is inserted at the top of the provider's table. A missing `base_url` stays missing: the client then uses its own
 * default. A `base_url` that means the same, or that reaches the same host for another protocol (a provider of type `anthropic` has another
 * path there), stays as it is. The result is parsed again, and anything but the intended difference is a problem, never a text.
 */
export function replaceCredentials(
  text: string,
  provider: string | null,
  credentials: Credentials,
): Replacement | { readonly problem: string } {
  const before = parseToml(text);
  if ('problem' in before) return before;
  const name = provider ?? chooseProvider(before.data, credentials.baseUrl);
  const table = name === null ? undefined : own(providersOf(before.data), name);
  if (name === null || !isTable(table)) {
    return { problem: provider === null ? 'The file names no Kimi provider.' : 'The file has no such provider.' };
  }
  const wanted = wantedFields(table, credentials);
  const fields = Object.keys(wanted) as CredentialField[];
  const hasOauth = own(table, 'oauth') !== undefined;
  try {
    const layout = mapToml(text);
    const edits = fields.map((field) => editField(text, layout, name, field, wanted[field] as string));
    const edited = edits.includes(null) ? null : applyEdits(text, edits as Edit[]);
    if (edited !== null && differsOnlyIn(wanted, before.data, edited, name)) {
      return { text: edited, provider: name, changed: fields, previousBaseUrl: baseUrlOf(table), hasOauth };
    }
  } catch {
    // A text the map cannot follow is a text to leave alone.
  }
  return { problem: 'The file is written in a way that cannot be changed safely.' };
}

/** The fields that must change, with their new values. */
function wantedFields(provider: Table, { apiKey, baseUrl }: Credentials): WantedFields {
  const oldUrl = baseUrlOf(provider);
  const keepsUrl = oldUrl === null ? own(provider, 'base_url') === undefined : meansSame(provider, oldUrl, baseUrl);
  return {
    ...(own(provider, 'api_key') === apiKey ? {} : { api_key: apiKey }),
    ...(keepsUrl ? {} : { base_url: baseUrl }),
  };
}

function baseUrlOf(provider: Table): string | null {
  const url = own(provider, 'base_url');
  return typeof url === 'string' && url.length <= 2048 ? url : null;
}

function meansSame(provider: Table, oldUrl: string, newUrl: string): boolean {
  const old = parseBaseUrl(oldUrl);
  if (old === null) return oldUrl === newUrl;
  // As it stands there: what kmi would complete, the client takes by the letter.
  const written = withoutTrailingSlashes(URL.canParse(oldUrl) ? new URL(oldUrl).href : oldUrl);
  return written === newUrl || (!isKimiType(provider) && new URL(old).origin === new URL(newUrl).origin);
}

function editField(text: string, layout: TomlLayout, provider: string, field: CredentialField, value: string): Edit | null {
  const pair = layout.pairs.find(({ path }) => isSamePath(path, ['providers', provider, field]));
  if (pair === undefined) return insertField(text, layout, ['providers', provider], `${field} = ${quote(value, '"')}`);
  const { start, end } = pair.value;
  return { start, end, text: quote(value, text.slice(start, end)) };
}

/** Puts `name = value` at the top of a table, however the table is written; null when it is nowhere to be found. */
function insertField(text: string, layout: TomlLayout, table: readonly string[], assignment: string): Edit | null {
  const header = layout.headers.find(({ path }) => isSamePath(path, table));
  if (header !== undefined) {
    const { start, end } = header.line;
    return insertAt(end, `${lineEndingAfter(text, end)}${indentBefore(text, start)}${assignment}`);
  }
  const inlineTable = layout.inlineTables.find(({ path }) => isSamePath(path, table));
  if (inlineTable !== undefined) {
    const { start, end } = inlineTable.inside;
    const isEmpty = text.slice(start, end).trim() === '';
    return insertAt(start, isEmpty ? ` ${assignment}${start === end ? ' ' : ''}` : ` ${assignment},`);
  }
  const dotted = layout.pairs.find(({ path, outerSteps }) => isBelowPath(path, table) && outerSteps < table.length);
  if (dotted !== undefined) {
    const start = dotted.parts[0]?.start ?? 0;
    const prefix = text.slice(start, dotted.parts[table.length - 1 - dotted.outerSteps]?.end);
    const separator = dotted.inline ? ', ' : `${lineEndingAfter(text, start)}${indentBefore(text, start)}`;
    return insertAt(start, `${prefix}.${assignment}${separator}`);
  }
  const below = layout.headers.find(({ path }) => isBelowPath(path, table));
  if (below === undefined) return null;
  const { start } = below.line;
  const lineEnding = lineEndingAfter(text, start);
  const indent = indentBefore(text, start);
  const name = text.slice(below.parts[0]?.start, below.parts[table.length - 1]?.end);
  return insertAt(start, `[${name}]${lineEnding}${indent}${assignment}${lineEnding}${lineEnding}${indent}`);
}

function insertAt(offset: number, text: string): Edit {
  return { start: offset, end: offset, text };
}

/** The ending of the line at `offset`; of the last line, the ending of the first. */
function lineEndingAfter(text: string, offset: number): string {
  const next = text.indexOf('\n', offset);
  const end = next === -1 ? text.indexOf('\n') : next;
  return end > 0 && text[end - 1] === '\r' ? '\r\n' : '\n';
}

function indentBefore(text: string, offset: number): string {
  const before = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
  return /^[ \t]*$/.test(before) ? before : '';
}

/** A TOML string of the kind that stood there before, where that kind can hold the value. */
function quote(value: string, old: string): string {
  const fence = old.startsWith("'''") || old.startsWith('"""') ? old.slice(0, 3) : old.slice(0, 1);
  if (fence.startsWith("'") && /^[^'\p{Cc}]*$/u.test(value)) return fence + value + fence;
  if (fence === '"""' && /^[^"\\\p{Cc}]*$/u.test(value)) return fence + value + fence;
  // JSON's escapes are TOML's; DEL, which JSON leaves bare, is not allowed in TOML.
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

function applyEdits(text: string, edits: readonly Edit[]): string {
  let edited = text;
  for (const edit of edits.toSorted((a, b) => b.start - a.start)) {
    edited = edited.slice(0, edit.start) + edit.text + edited.slice(edit.end);
  }
  return edited;
}

/** Does the edited text say the wanted fields, and apart from them what the old text said? The last word on every edit. */
export function differsOnlyIn(wanted: WantedFields, before: Table, edited: string, provider: string): boolean {
  const after = parseToml(edited);
  if ('problem' in after) return false;
  const oldTable = own(providersOf(before), provider) as Table;
  const newTable = own(providersOf(after.data), provider) as Record<string, unknown> | undefined;
  if (newTable === undefined) return false;
  for (const [field, value] of Object.entries(wanted)) {
    if (own(newTable, field) !== value) return false;
    if (Object.hasOwn(oldTable, field)) newTable[field] = oldTable[field];
    else delete newTable[field];
  }
  return isDeepStrictEqual(after.data, before);
}
