/**
 * Finds references that lead nowhere: citations of documents in code and text, and links in Markdown.
 *
 * A citation names a document by its path from the root and a heading by its anchor: `docs/kimi-api.md#errors`. A document
 * that is not in the repository cannot be cited, nor can one be cited by chapter.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, posix } from 'node:path';
import { anchorsOf, linksOf, withoutTargets } from './markdown.ts';

export type DeadReference = {
  /** Path from the root, with slashes. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly problem: string;
};

const SKIPPED = new Set(['.git', 'coverage', 'dist', 'node_modules']);
/** The tests of this check make up citations that fail. */
const MADE_UP = 'tests/docs/';
const CODE = new Set(['.cjs', '.js', '.mjs', '.mts', '.sh', '.ts', '.yaml', '.yml']);

/** Dead references of all Markdown and code below `root`, by file and line. */
export function findDeadReferences(root: string): readonly DeadReference[] {
  const tree = readTree(root);
  return [...tree.paths]
    .sort()
    .flatMap((file) => (tree.textOf(file) === null ? [] : deadIn(file, tree).sort((a, b) => a.line - b.line)));
}

type Tree = {
  /** Files and folders, by path from the root. */
  readonly paths: ReadonlySet<string>;
  /** Null: not a text that is looked at. */
  readonly textOf: (path: string) => string | null;
  readonly anchorsOf: (path: string) => ReadonlySet<string>;
};

function readTree(root: string): Tree {
  const paths = new Set<string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      paths.add(path);
      if (entry.isDirectory()) walk(path);
    }
  };
  walk('');
  const texts = new Map<string, string | null>();
  const textOf = (path: string): string | null => {
    const known = texts.get(path);
    if (known !== undefined) return known;
    const text = isText(path) ? readFileSync(join(root, path), 'utf8') : null;
    texts.set(path, text);
    return text;
  };
  return { paths, textOf, anchorsOf: (path) => anchorsOf(textOf(path) ?? '') };
}

function isText(path: string): boolean {
  // What else is in that folder are keys.
  if (path.startsWith('_auths/')) return path === '_auths/README.md';
  if (path.startsWith(MADE_UP)) return false;
  return isMarkdown(path) || CODE.has(extname(path));
}

function isMarkdown(path: string): boolean {
  return path.endsWith('.md');
}

function deadIn(file: string, tree: Tree): DeadReference[] {
  const text = tree.textOf(file) as string;
  const lineAt = (at: number): number => text.slice(0, at).split('\n').length;
  const dead: DeadReference[] = [];
  const report = (at: number, problem: string | null): void => {
    if (problem !== null) dead.push({ file, line: lineAt(at), problem });
  };
  if (isMarkdown(file)) for (const { target, at } of linksOf(text)) report(at, problemOfLink(target, file, tree));
  const prose = asOneLine(isMarkdown(file) ? withoutTargets(text) : text);
  for (const match of prose.matchAll(CHAPTER)) report(match.index, `\`${match[0].trim()}\` is not in the repository.`);
  for (const match of prose.matchAll(MENTION)) {
    const [, path = '', anchor, chapter] = match;
    const inProse = isMarkdown(file) || isInComment(text, match.index);
    report(match.index, problemOfMention({ path, anchor, chapter, inProse }, file, tree));
  }
  return dead;
}

/** Chapters of papers that were never here. */
const CHAPTER = /\b(?:design +section|pitfalls?) +\d+[a-z]?\b/gi;
/** A document, then the anchor or else the chapter that is named with it. */
const MENTION =
  /(?<![\w./~$}>*:-])((?:[\w.-]+\/)*[\w.-]+\.md)\b(?:#([\p{L}\p{N}_-]+)|(,? +(?:sections? |chapters? |parts? [A-Z]\b|\d+(?:\.\d+)*(?= *(?:[),.;:]|and\b|$))))?)/gu;

type Mention = {
  readonly path: string;
  readonly anchor: string | undefined;
  readonly chapter: string | undefined;
  /** In a comment or a page; elsewhere in code a file's name may be anybody's. */
  readonly inProse: boolean;
};

function problemOfMention({ path, anchor, chapter, inProse }: Mention, file: string, tree: Tree): string | null {
  // A page may name its neighbours; in code only a file that is opened is named from where the code stands.
  const isRelative = isMarkdown(file) || anchor === undefined;
  const places = isRelative ? [path, posix.join(posix.dirname(file), path)] : [path];
  const found = places.find((each) => tree.paths.has(each));
  const inDocs = `docs/${posix.basename(path)}`;
  if (chapter !== undefined) return `\`${path}\` is cited by chapter: cite a heading, as \`${found ?? inDocs}#<heading>\`.`;
  if (found !== undefined) return anchor === undefined ? null : problemOfAnchor(found, anchor, tree);
  if (tree.paths.has(inDocs)) return `\`${path}\` is not its path from the root: that is \`${inDocs}\`.`;
  return inProse || anchor !== undefined ? `There is no \`${path}\`.` : null;
}

function problemOfLink(target: string, file: string, tree: Tree): string | null {
  if (/^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(target)) return null;
  const [, path = '', anchor = ''] = /^([^?#]*)(?:\?[^#]*)?(?:#(.*))?$/.exec(decoded(target)) ?? [];
  if (path === '' && anchor === '') return target === '#' ? null : 'A link has no target.';
  const from = path.startsWith('/') ? path.slice(1) : posix.join(posix.dirname(file), path);
  const found = path === '' ? file : from.replace(/\/+$/, '');
  if (found.startsWith('..')) return `The link \`${target}\` leaves the repository.`;
  if (found !== '.' && found !== '' && !tree.paths.has(found)) return `The link \`${target}\` leads to no file.`;
  return anchor !== '' && isMarkdown(found) ? problemOfAnchor(found, anchor, tree) : null;
}

function problemOfAnchor(path: string, anchor: string, tree: Tree): string | null {
  return tree.anchorsOf(path).has(anchor) ? null : `\`${path}\` has no heading \`#${anchor}\`.`;
}

function decoded(target: string): string {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

/** Is what stands at `at` in a comment, as far as its line shows? */
function isInComment(text: string, at: number): boolean {
  const before = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  return /^\s*(?:\*|#)|\/\*|(?:^|\s)\/\//.test(before);
}

/** Spaces in place of single line ends and of the marks of comments after them: a citation may take two lines. Offsets stay. */
function asOneLine(text: string): string {
  return text.replace(/\r?\n(?![ \t]*\r?\n)[ \t]*(?:\*(?!\/)|\/\/)?/g, (gap) => ' '.repeat(gap.length));
}
