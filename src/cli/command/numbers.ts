import { KmiError } from '../../errors.ts';

type Range = { readonly min: number; readonly max: number };

/** The number an option was given. Throws `bad_usage` naming the option and what it takes. */
export function wholeNumber(option: string, text: string, range: Range): number {
  if (!/^\d+$/.test(text.trim())) throw refused(option, text, 'a whole number', range);
  return within(option, Number(text), text, 'a whole number', range);
}

/** Like `wholeNumber`, with decimals. */
export function decimalNumber(option: string, text: string, range: Range): number {
  if (!/^\d+(?:\.\d+)?$|^\.\d+$/.test(text.trim())) throw refused(option, text, 'a number', range);
  return within(option, Number(text), text, 'a number', range);
}

function within(option: string, value: number, text: string, kind: string, range: Range): number {
  if (value < range.min || value > range.max) throw refused(option, text, kind, range);
  return value;
}

function refused(option: string, text: string, kind: string, { min, max }: Range): KmiError {
  return new KmiError('bad_usage', `${option} ${text.slice(0, 40)}: takes ${kind} from ${min} to ${max}.`);
}
