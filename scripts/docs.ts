/** Keeps generated text in step with the code. To generate more text, add a row to `generated`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../src/cli/commands.ts';
import { renderEnvExample, renderSettingsTable } from '../src/config/document.ts';
import { readFlags } from './flags.ts';
import { findDeadReferences } from './references.ts';

type Generated = {
  readonly file: string;
  /** The text lies between `<!-- block -->` and `<!-- /block -->`; without a block it is the whole file. */
  readonly block?: string;
  readonly render: () => string;
};

const generated: readonly Generated[] = [
  { file: '.env.example', render: renderEnvExample },
  { file: 'docs/commands.md', block: 'commands', render: renderCommandsTable },
  { file: 'docs/settings.md', block: 'settings', render: renderSettingsTable },
];

const root = join(import.meta.dirname, '..');
const flags = readFlags(
  `Usage: npx tsx scripts/docs.ts [flags]

Names the files that are not in step with the code, and every citation and link
that leads nowhere, and exits with 1.

  --write   write the generated text instead
  --help    print this`,
  { write: 'boolean' },
);
const write = flags.write === true;
const stale = [...new Set(generated.map(({ file }) => file))].filter((file) => {
  const path = join(root, file);
  const current = read(path);
  const wanted = generated.filter((entry) => entry.file === file).reduce(insert, current);
  if (wanted !== current && write) writeFileSync(path, wanted);
  return wanted !== current;
});

if (stale.length > 0 && !write) {
  console.error(`Not in step with the code: ${stale.join(', ')}. Run \`npm run docs\`.`);
  process.exitCode = 1;
}

if (!write) {
  for (const { file, line, problem } of findDeadReferences(root)) {
    console.error(`${file}:${line}: ${problem}`);
    process.exitCode = 1;
  }
}

function renderCommandsTable(): string {
  const rows = COMMANDS.map(({ name, aliases = [], summary }) => {
    const others = aliases.length === 0 ? '' : ` (${aliases.map((alias) => `\`kmi ${alias}\``).join(', ')})`;
    return `| \`kmi ${name}\`${others} | ${summary.replaceAll('|', '\\|')} |`;
  });
  return ['| command | does |', '| --- | --- |', ...rows].join('\n');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function insert(text: string, { file, block, render }: Generated): string {
  if (block === undefined) return render();
  const [open, close] = [`<!-- ${block} -->`, `<!-- /${block} -->`];
  const [start, end] = [text.indexOf(open), text.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`${file} lacks the block ${open} … ${close}.`);
  return `${text.slice(0, start + open.length)}\n${render()}\n${text.slice(end)}`;
}
