/** A machine that has other work to do may take this much longer. */
const SLACK = 4;

/**
 * The bound for something that should take at most `ms`. In the long form of the fault suite, which measures and runs alone, it is
 * that; elsewhere a busy machine is allowed for, and what is told apart takes much longer still.
 */
export const soon = (ms: number): number => (process.env.KMI_FAULTS === 'long' ? ms : ms * SLACK);
