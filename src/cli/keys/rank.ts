import { parsePriority, parseWeight } from '../../core/keys/key.ts';
import { KmiError } from '../../errors.ts';

/** What `--weight` and `--priority` say; null for one that is not there. Throws `bad_usage`. */
export function checkRank({
  weight,
  priority,
}: {
  readonly weight?: string | undefined;
  readonly priority?: string | undefined;
}): {
  readonly weight: number | null;
  readonly priority: number | null;
} {
  const rank = {
    weight: weight === undefined ? null : parseWeight(weight),
    priority: priority === undefined || !/^[+-]?\d{1,9}$/.test(priority) ? null : parsePriority(priority),
  };
  if (weight !== undefined && rank.weight === null) {
    throw new KmiError('bad_usage', '--weight takes a whole number from 1 to 1000.');
  }
  if (priority !== undefined && rank.priority === null) {
    throw new KmiError('bad_usage', '--priority takes a whole number; keys with a higher one come first.');
  }
  return rank;
}
