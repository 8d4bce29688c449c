import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findDeadReferences } from '../../scripts/references.ts';

const FACTS = 'docs/facts.md';
const BARE = 'facts.md';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** What is found in a folder with these files and, unless they say otherwise, a page of facts. */
function found(files: Readonly<Record<string, string>>): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), 'kmi-references-'));
  roots.push(root);
  const all = { [FACTS]: '# Facts\n\n## Errors\n\n## The `/usages` call\n', ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return findDeadReferences(root).map(({ file, line, problem }) => `${file}:${line}: ${problem}`);
}

const inCode = (comment: string) => found({ 'src/a.ts': `const one = 1;\n${comment}\n` });
const inPage = (text: string) => found({ 'README.md': `# Readme\n\n${text}\n`, 'docs/chart.svg': '<svg/>' });

describe('a citation in code', () => {
  it.each([
    `/** Why (${FACTS}#errors). */`,
    `// ${FACTS}#errors, ${FACTS}#the-usages-call.`,
    `/** The whole of ${FACTS} says so. */`,
    `// See https://example.com/docs/none.md#nowhere`,
    `const page = join(root, '../${FACTS}');`,
    "const page = join(home, 'notes.md');",
    ['const page = `$', '{name}.md#part`;'].join(''),
    '/** As RFC 9110 section 5.5 has it, for any *.md file. */',
  ])('resolves: %s', (line) => {
    expect(inCode(line)).toEqual([]);
  });

  it.each([
    [`/** Why (${FACTS}#mistakes). */`, `\`${FACTS}\` has no heading \`#mistakes\`.`],
    [`const title = 'by ${FACTS}#mistakes';`, `\`${FACTS}\` has no heading \`#mistakes\`.`],
    [`// ${FACTS}#Errors`, `\`${FACTS}\` has no heading \`#Errors\`.`],
    [`/** Why (${FACTS.replace('facts', 'fact')}#errors). */`, `There is no \`docs/fact.md\`.`],
    ['/** As notes.md tells. */', 'There is no `notes.md`.'],
    ['/** As ../papers/notes.md tells. */', 'There is no `../papers/notes.md`.'],
    [`/** Why (${BARE}#errors). */`, `\`${BARE}\` is not its path from the root: that is \`${FACTS}\`.`],
    [`// ../${FACTS}#errors`, `\`../${FACTS}\` is not its path from the root: that is \`${FACTS}\`.`],
    [`const title = 'by ${BARE}';`, `\`${BARE}\` is not its path from the root: that is \`${FACTS}\`.`],
  ])('does not resolve: %s', (line, problem) => {
    expect(inCode(line)).toEqual([`src/a.ts:2: ${problem}`]);
  });

  it.each([
    `/** Why (${BARE} 3.4). */`,
    `/** Why (${BARE} section 3.4, last line). */`,
    `/** Why (${BARE}, section 3). */`,
    `// ${BARE} part B says why.`,
    `/** Why (${BARE} 3.1 and part B)? */`,
    `/** Why (${FACTS} section 3). */`,
    `/**\n * Why it is so (${BARE}\n * section 3.4).\n */`,
  ])('by chapter is none: %s', (comment) => {
    const [dead, ...more] = inCode(comment);
    expect(dead).toMatch(
      /^src\/a\.ts:[23]: `(docs\/)?facts\.md` is cited by chapter: cite a heading, as `docs\/facts\.md#<heading>`\.$/,
    );
    expect(more).toEqual([]);
  });

  it.each(['design section 4', 'Design section 12', 'pitfall 55', 'pitfalls 32b'])(
    'of a paper that was never here is none: %s',
    (text) => {
      expect(inCode(`/** Why (${text}). */`)).toEqual([`src/a.ts:2: \`${text}\` is not in the repository.`]);
      expect(inCode(`/**\n * Why (${text.replace(' ', '\n * ')}).\n */`)).toHaveLength(1);
    },
  );

  it('is looked for in scripts, workflows and tests as well, not in what others made', () => {
    const line = `# ${FACTS}#mistakes`;
    const dead = found({
      '.github/workflows/ci.yml': line,
      'scripts/run.sh': line,
      'tests/a.mjs': `// ${FACTS}#mistakes`,
      'node_modules/a/index.js': `// ${FACTS}#mistakes`,
      'dist/cli.js': `// ${FACTS}#mistakes`,
      '_auths/work.env': line,
      '_auths/notes.md': line,
    });
    expect(dead.map((each) => each.slice(0, each.indexOf(':')))).toEqual([
      '.github/workflows/ci.yml',
      'scripts/run.sh',
      'tests/a.mjs',
    ]);
  });
});

describe('a link in a page', () => {
  it.each([
    `[facts](${FACTS}#errors)`,
    `[usages](<${FACTS}#the-usages-call> "the call")`,
    '[here](#readme), [top](#)',
    '![chart](docs/chart.svg), [folder](docs/), [root](/docs/facts.md), [self](./README.md?plain=1#readme)',
    '[![chart](docs/chart.svg)](docs/facts.md)',
    '[out](https://example.com/none.md#nowhere), [mail](mailto:a@example.com), [any](//example.com)',
    '`[code](none.md)` and ``[`code`](none.md)``',
    '```md\n[fenced](none.md)\n```',
    '<!-- [hidden](none.md) -->',
    '[facts][1], [Facts][], [foot][2]\n\n[1]: docs/facts.md#errors\n[facts]: docs/facts.md\n[2]: <docs/chart.svg>',
    '<a id="mark"></a> [marked](#mark) <img src="docs/chart.svg">',
  ])('resolves: %s', (text) => {
    expect(inPage(text)).toEqual([]);
  });

  it.each([
    ['[gone](docs/none.md)', 'The link `docs/none.md` leads to no file.'],
    ['[case](docs/Facts.md)', 'The link `docs/Facts.md` leads to no file.'],
    ['![gone](docs/none.svg "title")', 'The link `docs/none.svg` leads to no file.'],
    [`[heading](${FACTS}#mistakes)`, `\`${FACTS}\` has no heading \`#mistakes\`.`],
    ['[heading](#mistakes)', '`README.md` has no heading `#mistakes`.'],
    ['[![gone](docs/none.svg)](docs/facts.md)', 'The link `docs/none.svg` leads to no file.'],
    ['[![chart](docs/chart.svg)](docs/none.md)', 'The link `docs/none.md` leads to no file.'],
    ['[out](../papers/notes.md)', 'The link `../papers/notes.md` leaves the repository.'],
    ['[empty]()', 'A link has no target.'],
    ['[facts][nowhere]', 'A link has no target.'],
    ['[facts][1]\n\n[1]: docs/none.md', 'The link `docs/none.md` leads to no file.'],
    ['<a href="docs/none.md">gone</a>', 'The link `docs/none.md` leads to no file.'],
    ['[blank](docs/no%20page.md)', 'The link `docs/no%20page.md` leads to no file.'],
  ])('does not resolve: %s', (text, problem) => {
    expect(inPage(text).map((each) => each.replace(/^README\.md:\d+: /, ''))).toEqual([problem]);
  });

  it('is relative to its page', () => {
    const page = '# A\n\n[up](../README.md#readme), [beside](facts.md#errors), [wrong](docs/facts.md)\n';
    expect(found({ 'README.md': '# Readme\n', 'docs/a.md': page })).toEqual([
      'docs/a.md:3: The link `docs/facts.md` leads to no file.',
    ]);
  });
});

describe('a citation in a page', () => {
  it('is checked as one in code', () => {
    expect(inPage(`As in \`${FACTS}#errors\`.`)).toEqual([]);
    expect(inPage(`As in \`${FACTS}#mistakes\`.`)).toEqual([`README.md:3: \`${FACTS}\` has no heading \`#mistakes\`.`]);
    expect(inPage(`As in ${BARE} section 3.`)).toHaveLength(1);
  });

  it('may be relative to the page, and a number after a name is no chapter', () => {
    expect(found({ 'docs/a.md': `See \`${BARE}#errors\`. ${BARE} 3 times.\n\n# 3 things\n` })).toEqual([]);
  });
});

describe('the anchors of headings', () => {
  it.each([
    ['## Two  words, and: punctuation!', 'two--words-and-punctuation'],
    ['## `GET /usages` *twice* __thrice__', 'get-usages-twice-thrice'],
    ['## snake_case and `snake_case`', 'snake_case-and-snake_case'],
    ['## A [link](https://example.com) here ##', 'a-link-here'],
    ['## Größe – Ärger', 'größe--ärger'],
    ['Underlined\n==========', 'underlined'],
    ['Underlined\n---', 'underlined'],
    ['## Same\n\n## Same', 'same-1'],
    ['## Same\n\n## Same 1\n\n## Same', 'same-2'],
    ['# <a name="old-name"></a> New', 'old-name'],
  ])('%s', (heading, anchor) => {
    expect(found({ 'docs/a.md': `${heading}\n\n[it](#${anchor})\n` })).toEqual([]);
    expect(found({ 'docs/a.md': `${heading}\n\n[it](#${anchor}x)\n` })).toHaveLength(1);
  });

  it('are not made by code', () => {
    expect(found({ 'docs/a.md': '```\n# Fenced\n```\n\n[it](#fenced)\n' })).toHaveLength(1);
    expect(found({ 'docs/a.md': 'some text\n\n    # Indented\n\n[it](#indented)\n' })).toHaveLength(1);
  });
});
