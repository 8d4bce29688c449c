import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { Retried } from '../../scripts/retries.ts';
import { cleanUp } from '../support/cleanup.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SETUP = join(ROOT, 'tests/support/property-seed.ts');

type Run = {
  readonly retried: readonly Retried[];
  /** By the test's name: what it failed with, each try apart; nothing when it passed. */
  readonly failures: Readonly<Record<string, readonly string[]>>;
};

/** Runs the tests of retried-child.ts as scripts/test.ts runs a suite. */
async function runChild(environment: Readonly<Record<string, string>>, only = ''): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-retries-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  const [config, results, retries] = ['vitest.config.mjs', 'results.json', 'retries.json'].map((name) => join(folder, name));
  const test = { root: ROOT, include: ['tests/scripts/retried-child.ts'], setupFiles: [SETUP], pool: 'forks' };
  await writeFile(config as string, `export default ${JSON.stringify({ cacheDir: folder, test })}`);
  const reporters = ['--reporter=json', `--outputFile.json=${results}`, `--reporter=${join(ROOT, 'scripts/retries.ts')}`];
  const child = spawn(
    process.execPath,
    [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', config as string, '-t', only, ...reporters],
    {
      cwd: ROOT,
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: folder, KMI_TEST_RETRIES_FILE: retries, ...environment },
    },
  );
  await once(child, 'close');
  const { testResults } = JSON.parse(await readFile(results as string, 'utf8'));
  const tests: { title: string; status: string; failureMessages: string[] }[] = testResults[0].assertionResults;
  return {
    retried: JSON.parse(await readFile(retries as string, 'utf8')),
    failures: Object.fromEntries(
      tests.map(({ title, status, failureMessages }) => [title, status === 'failed' ? failureMessages : []]),
    ),
  };
}

it('only a test in a terminal is tried again, and each that was is named with its first failure', async () => {
  const { retried, failures } = await runChild({ CI: 'true' });
  const file = 'tests/scripts/retried-child.ts';
  expect(retried).toEqual([
    { file, name: 'in a terminal', times: 1, passed: true, reason: expect.stringContaining('too late') },
    { file, name: 'in a terminal, in vain', times: 2, passed: false, reason: 'try 1' },
  ]);
  expect(failures['in a terminal']).toEqual([]);
  expect(failures['in a terminal, in vain']).toHaveLength(3);
  expect(failures['without one']).toHaveLength(1);
});

it('a failing property names the seed to try again with: a fixed one in CI, or the one that was asked for', async () => {
  const seedOf = (failures: readonly string[] | undefined) => {
    const [, seed, again] = /seed: (-?\d+),.*KMI_TEST_SEED=(-?\d+) tries/s.exec(failures?.[0] ?? '') ?? [];
    expect(again).toBe(seed);
    return Number(seed);
  };
  const environments = [{ CI: 'true' }, { CI: 'true' }, { CI: 'true', KMI_TEST_SEED: '-42' }, { KMI_TEST_SEED: '-42' }, {}, {}];
  const runs = await Promise.all(environments.map((environment) => runChild(environment, 'a property')));
  for (const { failures } of runs) expect(seedOf(failures['a property with a seed of its own'])).toBe(7);
  const [ci, ciAgain, asked, askedAtHome, random, randomAgain] = runs.map(({ failures }) => seedOf(failures['a property']));
  expect(ciAgain).toBe(ci);
  expect([asked, askedAtHome]).toEqual([-42, -42]);
  expect(random).not.toBe(randomAgain);
});
