import { expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { inOwnWords } from '../../src/cli/spellings.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { runKmi, startKmi } from '../support/spawn.ts';

const NAMES = COMMANDS.map(({ name }) => name);

async function helpOf(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runKmi([...args, '--help']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** `kmi kimi --help` belongs to the Kimi CLI. */
const ownHelp = COMMANDS.filter(({ passesThrough }) => passesThrough !== 'everything');

it.each(ownHelp.map((row) => [row.name, row] as const))(
  '`kmi %s --help` is a page: usage, options, details, examples',
  async (name, row) => {
    const text = await helpOf(name.split(' '));
    const lines = text.split('\n');
    expect(lines[0]).toMatch(new RegExp(`^Usage: kmi ${name}( |$)`));
    expect(text).toContain(`\n${row.summary}\n`);
    expect(text).toMatch(/\nExamples:\n {2}\$ /);
    for (const { flags, hidden } of row.options ?? []) {
      if (hidden === true) expect(text).not.toContain(flags);
      else expect(text).toContain(flags);
    }
    for (const [code] of row.exitCodes ?? []) expect(text).toMatch(new RegExp(`^ +${code} {2,}\\S`, 'm'));
    const isExample = (line: string) => line.startsWith('  $ ');
    for (const line of lines) if (!isExample(line)) expect([line, displayWidth(line) <= 80]).toEqual([line, true]);
  },
);

it('`kmi --help` names every command in its group, a line each, at 80 columns', async () => {
  const text = await helpOf([]);
  for (const { name, summary, group } of COMMANDS.filter((row) => !row.name.includes(' '))) {
    expect(group).toBeDefined();
    expect(text).toMatch(new RegExp(`^ {2}${name} +${summary.replace(/[.*+?^$()|[\]{}]/g, '\\$&').slice(0, 30)}`, 'm'));
    expect(text).toContain(`\n${group}:\n`);
  }
  expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(80);
  expect((await runKmi([])).stdout).toBe(text);
  expect((await runKmi(['help'])).stdout).toBe(text);
});

it('`kmi help` takes one word or two', async () => {
  expect((await runKmi(['help', 'why'])).stdout).toBe(await helpOf(['why']));
  expect((await runKmi(['help', 'kimi'])).stdout).toMatch(/^Usage: kmi kimi /);
  expect((await runKmi(['help', 'keys', 'add'])).stdout).toBe(await helpOf(['keys', 'add']));
});

it('a reader that leaves early is no failure', async () => {
  const kmi = await startKmi(['--help']);
  kmi.child.stdout?.destroy();
  expect(await kmi.ended).toEqual({ code: 0, signal: null });
  expect(kmi.stderr()).toBe('');
});

it('every row of the catalogue is worth reading', () => {
  expect(new Set(NAMES).size).toBe(NAMES.length);
  for (const { name, summary, details, examples, options = [] } of COMMANDS) {
    expect([name, summary]).toEqual([name, expect.stringMatching(/^[a-z].*[^.]$/)]);
    // With the longest name in front, one line of 80 columns.
    expect([name, summary.length <= 63]).toEqual([name, true]);
    expect([name, details]).toEqual([name, expect.stringMatching(/^[A-Z`]/)]);
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect([example, /kmi|kimi_robin/.test(example)]).toEqual([example, true]);
    for (const { help } of options) expect(help).toMatch(/^[a-zA-Z].*[^.]$/);
  }
});

it('examples use only options that exist', () => {
  for (const { examples, passesThrough } of COMMANDS) {
    if (passesThrough !== undefined) continue;
    for (const example of examples) {
      const [, words] = /kmi ((?:[\w-]+ ?)+)/.exec(example) ?? [];
      const own = inOwnWords((words ?? '').split(' ')).join(' ');
      const row = COMMANDS.filter(({ name }) => `${own} `.startsWith(`${name} `)).at(-1);
      const known = (row?.options ?? []).flatMap(({ flags }) => flags.match(/--?[\w-]+/g) ?? []);
      const part = example.slice(example.indexOf('kmi')).split('|')[0] as string;
      for (const flag of part.match(/(?<=\s)--?[a-z][\w-]*/g) ?? []) {
        const isMode = COMMANDS.some(({ rootFlag }) => rootFlag === flag);
        expect([example, isMode || known.includes(flag)]).toEqual([example, true]);
      }
    }
  }
});

it('the older root flags stand last, in one sentence', async () => {
  const text = await helpOf([]);
  expect(text.trimEnd().split('\n').slice(-2).join(' ')).toBe(
    'Older forms: --status, --health, --current, --trace, --rotate, --auto_rotate; each means the command of that name.',
  );
  for (const { rootFlag } of COMMANDS) if (rootFlag !== undefined) expect(text).not.toMatch(new RegExp(`^ +${rootFlag}`, 'm'));
});

it('--plain and --no-color stand before or after the command', async () => {
  const env = { FORCE_COLOR: '1' };
  const painted = (await runKmi(['status'], { env })).stdout;
  expect(painted).toContain('\u001b[');
  for (const args of [
    ['--no-color', 'status'],
    ['status', '--no-color'],
    ['--plain', 'status'],
    ['status', '--plain'],
    ['keys', '--plain', 'list'],
    ['keys', 'list', '--plain'],
    ['--status', '--plain'],
  ]) {
    expect([args, (await runKmi(args, { env })).stdout.includes('\u001b[')]).toEqual([args, false]);
  }
  expect((await runKmi(['status', '--plain'], { env })).stdout).toMatch(/^[\n -~]*$/);
});
