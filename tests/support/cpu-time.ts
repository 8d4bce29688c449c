/**
 * Milliseconds of processor time that the work took. What another process does meanwhile does not count, so a bound for pure
 * code holds on a busy machine, too.
 */
export async function cpuMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
