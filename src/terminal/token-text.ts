const UNITS = ['k', 'M', 'B', 'T'] as const;

/** A count in at most 6 columns: "98,765" to the last one, then three digits and a unit: "845k", "12.3M", "1.05B". */
export function tokenText(count: number): string {
  if (count < 100_000) return groupDigits(count);
  let value = count;
  let unit = -1;
  // What would be rounded up to 1000 belongs to the next unit.
  while (Number(value.toPrecision(3)) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = value >= 1000 ? groupDigits(Math.round(value)) : value.toPrecision(3);
  return `${digits}${UNITS[unit]}`;
}

function groupDigits(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}
