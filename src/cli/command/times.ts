import type { Zone } from '../../core/text/zoned-time.ts';
import { parseSince, SINCE_ACCEPTS } from '../../daemon/since.ts';
import { KmiError } from '../../errors.ts';

/** The instant an option such as `--since` was given, epoch ms. Throws `bad_usage` naming the option and what it takes. */
export function instant(option: string, text: string, zone: Zone): number {
  const at = parseSince(text, Date.now(), zone);
  if (at === null) throw new KmiError('bad_usage', `${option} ${text.slice(0, 40)}: takes ${SINCE_ACCEPTS}.`);
  return at;
}
