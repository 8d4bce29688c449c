/** What can be pointed at in a Markdown text, and what it points at. */

/** A target as written, without a title; `at` is its offset in the text. */
export type Link = { readonly target: string; readonly at: number };

const FENCE = /^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:[\s\S]*?^ {0,3}\1[`~]*[ \t]*$|[\s\S]*)/gm;
const COMMENT = /<!--[\s\S]*?-->/g;
const CODE_SPAN = /(?<!`)(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g;

const INLINE = /\]\(\s*(<[^>\n]*>|(?:[^\s()\\]|\\.|\([^\s()]*\))*)(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*\)/g;
const DEFINITION = /^ {0,3}\[(?!\^)([^\]\n]+)\]:[ \t]*(<[^>\n]*>|\S+)/gm;
const REFERENCE = /\[[^[\]]+\]\[([^[\]]*)\]/g;
const ATTRIBUTE = /<(?:a|img|source)\b[^>]*?\b(?:href|src)\s*=\s*(["'])(.*?)\1/gi;
const ID = /<[a-z][^>]*?\b(?:id|name)\s*=\s*(["'])(.*?)\1/gi;

/**
 * Every link and image: inline, by definition, and in HTML. A reference without a definition is one with an empty target.
 * Code is not looked at.
 */
export function linksOf(markdown: string): readonly Link[] {
  const text = withoutCode(markdown);
  const links: Link[] = [];
  const add = (match: RegExpExecArray, target: string): void => {
    links.push({ target: target.replace(/^<|>$/g, '').replace(/\\([!-/:-@[-`{-~])/g, '$1'), at: match.index });
  };
  const labels = new Set<string>();
  for (const match of text.matchAll(DEFINITION)) {
    labels.add(labelOf(match[1] as string));
    add(match, match[2] as string);
  }
  for (const match of text.matchAll(INLINE)) add(match, match[1] as string);
  for (const match of text.matchAll(ATTRIBUTE)) add(match, match[2] as string);
  for (const match of text.matchAll(REFERENCE)) {
    // In `[label][]` the text is the label.
    const label = match[1] === '' ? match[0].slice(1, match[0].indexOf(']')) : (match[1] as string);
    if (!labels.has(labelOf(label))) add(match, '');
  }
  return links;
}

/** The anchors of a text as GitHub makes them: a slug for each heading, numbered when repeated, and ids written as HTML. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const heading of headingsOf(blank(markdown, FENCE, COMMENT))) {
    const slug = slugOf(heading);
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  for (const match of withoutCode(markdown).matchAll(ID)) anchors.add(match[2] as string);
  return anchors;
}

/** The text with spaces in place of the targets of its links, for whoever reads the rest. */
export function withoutTargets(markdown: string): string {
  return blank(markdown, INLINE, DEFINITION, ATTRIBUTE);
}

function headingsOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, n) => {
    const heading = /^ {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/.exec(line);
    if (heading !== null) return [heading[1] ?? ''];
    const isUnderlined = /^ {0,3}(?:=+|-+)[ \t]*$/.test(lines[n + 1] ?? '') && /^ {0,3}[^\s#>|*+-]/.test(line);
    return isUnderlined ? [line.trim()] : [];
  });
}

function slugOf(heading: string): string {
  const text = heading
    .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replace(/\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replace(/<[^>]*>/g, '')
    .replace(/&[a-z]+;|&#\d+;/gi, '')
    .replace(/(^|[^\p{L}\p{N}_`])_+([^_`]+)_+(?![\p{L}\p{N}_`])/gu, '$1$2');
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}

function labelOf(label: string): string {
  return label.trim().replace(/\s+/g, ' ').toLowerCase();
}

function withoutCode(markdown: string): string {
  return blank(blank(markdown, FENCE, COMMENT), CODE_SPAN);
}

/** Spaces in place of what matches, so that every offset and line stays what it was. */
function blank(text: string, ...patterns: readonly RegExp[]): string {
  return patterns.reduce((rest, pattern) => rest.replace(pattern, (match) => match.replace(/[^\n]/g, ' ')), text);
}
