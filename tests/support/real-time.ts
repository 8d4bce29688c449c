/**
 * How often a test that runs in real time (a fault, a real client, a terminal) is tried again before it fails: on a busy
 * machine it may come too late. Nothing else is tried again, and scripts/test.ts names each retry. `KMI_TEST_RETRIES=0`
 * turns them off.
 */
export const RETRIES = Number(process.env.KMI_TEST_RETRIES ?? 2);
