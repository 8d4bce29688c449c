/**
 * Runs vitest and ends with one line, `N passed, N failed`. Without arguments it runs everything and fails when less
 * than 95 % of the lines in src are covered; arguments go to vitest, and then nothing is measured. Tests that had to be
 * tried again are named before it. `--long` asks for the long form of the fault suite (tests/faults)
 * and of the clients' tests that have one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addProcessCoverage, addUnitCoverage, coveredShare, type LineHits, renderRanges, summarize } from './coverage.ts';
import type { Retried } from './retries.ts';

const REQUIRED_SHARE = 0.95;

const root = join(import.meta.dirname, '..');
const folder = join(root, 'coverage');
const resultsFile = join(folder, 'results.json');
const retriesFile = join(folder, 'retries.json');
const processFolder = join(folder, 'processes');
const unitFile = join(folder, 'unit', 'coverage-final.json');

const LONG = '--long';
const vitestArguments = process.argv.slice(2).filter((argument) => argument !== LONG);
if (process.argv.includes(LONG)) process.env.KMI_FAULTS = 'long';
const measured = vitestArguments.length === 0;

rmSync(folder, { recursive: true, force: true });
mkdirSync(processFolder, { recursive: true });

const vitestExit = runVitest();
const results = readResults();
const failed = results === null || results.failed > 0 || vitestExit !== 0;
const covered = measured && !failed ? await isCovered() : true;

if (results === null) console.error('vitest ended without results.');
if (measured && failed) console.error('Coverage is measured once every test passes.');
reportRetries();
const { passed, skipped } = results ?? { passed: 0, skipped: 0 };
// An error outside any test, such as a rejection nobody handled, fails the run as well.
const failures = Math.max(results?.failed ?? 0, failed ? 1 : 0);
console.log(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed || !covered ? 1 : 0;

function runVitest(): number {
  // Measuring vitest itself that way would count every line twice and slow the run; tests/support/spawn.ts turns the
  // other variable into this one for the processes it starts.
  const { NODE_V8_COVERAGE: _, ...environment } = process.env;
  const reporters = ['default', 'json', join(import.meta.dirname, 'retries.ts')].map((name) => `--reporter=${name}`);
  const coverage = measured ? ['--coverage'] : [];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const output = `--outputFile.json=${resultsFile}`;
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, output, ...coverage, ...vitestArguments], {
    cwd: root,
    env: {
      ...environment,
      KMI_TEST_RETRIES_FILE: retriesFile,
      ...(measured ? { KMI_TEST_COVERAGE_DIR: processFolder } : {}),
    },
    stdio: 'inherit',
  });
  return status ?? 1;
}

type Results = { readonly passed: number; readonly failed: number; readonly skipped: number };

function readResults(): Results | null {
  if (!existsSync(resultsFile)) return null;
  const report = JSON.parse(readFileSync(resultsFile, 'utf8'));
  // A file that cannot be loaded holds no tests to fail; it counts as one failure.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }: { status: string; assertionResults: { status: string }[] }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** A test that passes only when it is tried again is a fault all the same, of the test or of the code. */
function reportRetries(): void {
  if (!existsSync(retriesFile)) return;
  const retried: Retried[] = JSON.parse(readFileSync(retriesFile, 'utf8'));
  if (retried.length > 0) console.log(`\n${retried.length} tried again:`);
  for (const { file, name, times, passed, reason } of retried) {
    console.log(`Retried: ${file} > ${name} (${times})${passed ? '' : ', and failed'}: ${reason}`);
  }
}

async function isCovered(): Promise<boolean> {
  const hits: LineHits = new Map();
  addUnitCoverage(hits, unitFile);
  await addProcessCoverage(hits, processFolder, join(root, 'dist'));

  const files = summarize(hits, root);
  const below = files.filter((file) => coveredShare([file]) < REQUIRED_SHARE);
  const width = Math.max(0, ...below.map(({ file }) => file.length));
  console.log(below.length === 0 ? '' : `\nFiles under ${percent(REQUIRED_SHARE)} of lines:`);
  for (const file of below) {
    console.log(`  ${file.file.padEnd(width)}  ${percent(coveredShare([file])).padStart(7)}  ${renderRanges(file.uncovered)}`);
  }
  const share = coveredShare(files);
  const enough = share >= REQUIRED_SHARE;
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  console.log(
    `Lines covered: ${percent(share)} of ${lines} in ${files.length} files${enough ? '' : `, ${percent(REQUIRED_SHARE)} required`}`,
  );
  return enough;
}

function percent(share: number): string {
  // Rounded down, so that a figure at the bar has reached it.
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}
