/** Makes the pictures of the README from what the built kmi prints. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFlags } from './flags.ts';
import { COLUMNS, openStage } from './picture-stage.ts';
import { withFixedValues } from './picture-values.ts';
import { renderScreen } from './screen-svg.ts';
import { parseScreen } from './terminal-screen.ts';

const PICTURES = [
  { file: 'docs/status.svg', args: 'status', rows: 50, patterns: [/work/, /spare/, /\S\s*$/] },
  { file: 'docs/trace.svg', args: 'trace', rows: 16, patterns: [/Fix/, /Pin/, /quit/] },
] as const;

readFlags(
  `Usage: npm run docs:pictures

Writes ${PICTURES.map(({ file }) => file).join(' and ')}: the screens of the built
kmi on a terminal of ${COLUMNS} columns, in front of a simulated Kimi API. Times, ports,
pids and ids are replaced by fixed values. Needs tmux.`,
  {},
);

const root = join(import.meta.dirname, '..');
const stage = await openStage(root);
try {
  for (const { file, args, rows, patterns } of PICTURES) {
    const screen = withFixedValues(parseScreen(await stage.show(args, rows, patterns)), stage);
    writeFileSync(join(root, file), renderScreen(screen, { title: `kmi ${args}`, columns: COLUMNS }));
    console.log(file);
  }
} finally {
  await stage.close();
}
