import fc, { type RunDetails } from 'fast-check';

/**
 * Which values properties are tried with: the same ones in every run of CI, so that a failure there can be seen again and
 * is no news of another change; new ones in every other run. `KMI_TEST_SEED` sets the seed, a failure prints it, and a
 * property with a seed of its own keeps it.
 */

const CI_SEED = 20_260_101;

const given = process.env.KMI_TEST_SEED || undefined;
const seed = given === undefined ? (process.env.CI === undefined ? undefined : CI_SEED) : Number(given);
if (seed !== undefined && !Number.isInteger(seed)) throw new Error(`KMI_TEST_SEED=${given}: a seed is a whole number.`);

fc.configureGlobal({ ...(seed === undefined ? {} : { seed }), reporter: report });

function report(details: RunDetails<unknown>): void {
  if (!details.failed) return;
  const again = `KMI_TEST_SEED=${details.seed} tries the same values again.`;
  throw new Error(`${fc.defaultReportMessage(details)}\n${again}`, { cause: details.errorInstance });
}
