import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPTS = [
  'bench/proxy.ts',
  'bench/cli.ts',
  'bench/soak.ts',
  'bench/session.ts',
  'bench/usage-tap.ts',
  'sim/cli.ts',
  'scripts/docs.ts',
];

function runScript(script: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe.each(SCRIPTS)('%s', (script) => {
  it('prints how it is used for --help, and does nothing else', () => {
    const { status, stdout, stderr } = runScript(script, '--help');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: np[mx] .+ \[flags\]\n\n[\s\S]+ {2}--help +print this\n$/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('refuses a flag it does not know, and a word, before it starts', () => {
    for (const slip of ['--shrot', 'short']) {
      const { status, stdout, stderr } = runScript(script, slip);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`'${slip}'`);
      expect(stderr).toContain('Usage: ');
    }
  });
});

it.each([
  ['bench/proxy.ts', '--only', 'load,laod', '--only laod: not one of load, '],
  ['bench/proxy.ts', '--rounds', '0', '--rounds 0: not a number above 0.'],
  ['bench/proxy.ts', '--seconds', 'ten', '--seconds ten: not a number above 0.'],
  ['bench/cli.ts', '--runs', '', '--runs : not a number above 0.'],
  ['bench/soak.ts', '--minutes', 'Infinity', '--minutes Infinity: not a number above 0.'],
  ['sim/cli.ts', '--seed', 'x', '--seed x: not a number above 0.'],
])('%s refuses %s %s', (script, flag, value, problem) => {
  const { status, stderr } = runScript(script, flag, value);
  expect(status).toBe(2);
  expect(stderr).toContain(problem);
});
