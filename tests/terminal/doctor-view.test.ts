import { describe, expect, test } from 'vitest';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { type DoctorReport, renderDoctor } from '../../src/cli/views/doctor/view.ts';
import { answersOf, type Finding, summarize } from '../../src/doctor/finding.ts';
import { LOOKS, PLAIN, visible } from './fixture.ts';

const findings: readonly Finding[] = [
  answersOf('Setup', 'node_version').ok('Node 22.3.0.'),
  answersOf('Setup', 'dry_run').warn(
    'Dry-run: the proxy answers by itself and sends nothing to the upstream.',
    '`kmi config set KMI_DRY_RUN 0` goes live.',
  ),
  answersOf('Keys', 'auth_keys').ok('3 keys in /home/kim/_auths.'),
  answersOf('Keys', 'key_states').fail(
    'No key can serve now:',
    '`kmi doctor --recheck-keys` asks the upstream again and unblocks those that answer.',
    [
      'ada: quota used up, back in 35 min (12:35)',
      'ben: blocked: a reason from an older state file that is long enough to need a second line in 80 columns',
      'команда: key refused (401), until a recheck succeeds',
    ],
  ),
  answersOf('Upstream', 'upstream').info('Not asked in dry-run.', '`kmi doctor --recheck-keys` asks it anyway.'),
];
const report: DoctorReport = {
  version: '1.2.3',
  findings,
  summary: summarize(findings),
  actions: ['Closed /home/kim/_auths/a-rather-long-name-of-an-auth-file-in-a-folder.env to other users.'],
};

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('the report', () => {
    expect(visible(renderDoctor(report, { columns, style }))).toMatchSnapshot();
  });

  test('a report without trouble', () => {
    const calm = findings.filter(({ level }) => level === 'ok');
    const lines = renderDoctor({ ...report, findings: calm, summary: summarize(calm), actions: [] }, { columns, style });
    expect(visible(lines)).toMatchSnapshot();
  });
});

test('plain output is ASCII but for what was named, and no line is wider than the terminal', () => {
  const lines = renderDoctor(report, { columns: 80, style: PLAIN });
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  expect(lines.join('\n').replace('команда', '')).toMatch(/^[\n -~]*$/);
});
