import { percentText } from '../ui/bar.ts';

const UNITS = ['k', 'M', 'B', 'T'] as const;

/** A count in at most 6 columns: "98,765" to the last one, then three digits and a unit: "845k", "12.3M", "1.05B". */
export function tokenText(count: number): string {
  return count < 100_000 ? groupDigits(count) : withUnit(count);
}

/** In at most 5 columns: "999" to the last one, then "1.00k", "12.3k", "845k", "1.05M". */
export function shortTokenText(count: number): string {
  return count < 1000 ? groupDigits(count) : withUnit(count);
}

function withUnit(count: number): string {
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

/** "1.05M tokens in (97 % cached), 12,345 out". */
export function tokensInWords({ input, cached, output }: { input: number; cached: number; output: number }): string {
  const share = input === 0 ? '' : ` (${percentText(cached / input)} cached)`;
  return `${tokenText(input)} tokens in${share}, ${tokenText(output)} out`;
}
