/** `npm run test:faults -- --long`: the counts and times of the promise; otherwise a sample that fits into `npm test`. */
export const IS_LONG = process.env.KMI_FAULTS === 'long';

/** One value for each form. */
export function sized<Value>(short: Value, long: Value): Value {
  return IS_LONG ? long : short;
}

/** A figure for the table in docs/robustness.md; the long form prints it. */
export function measured(what: string, figures: Readonly<Record<string, unknown>>): void {
  if (IS_LONG) console.info(`measured ${JSON.stringify({ what, ...figures })}`);
}
