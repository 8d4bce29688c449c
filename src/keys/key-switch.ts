import { parseBoolean } from '../config/boolean-words.ts';
import { isPrintableAscii } from '../core/text/ascii.ts';

/** What a name that says whether a key can serve says: `disabled`, `isEnabled`, `KMI-KEY-DISABLED`; null for all other names. */
export function switchOf(name: string): 'disabled' | 'enabled' | null {
  const word = (isPrintableAscii(name) ? name : name.replace(/\p{Cf}/gu, ''))
    .replace(/[\s_.-]/g, '')
    .toLowerCase()
    .replace(/^ki?mi/, '')
    .replace(/^(?:api)?key/, '')
    .replace(/^is/, '');
  if (/^disabled?$/.test(word)) return 'disabled';
  return /^enabled?$/.test(word) ? 'enabled' : null;
}

/** Whether a switch disables the key; null when its value is neither yes nor no, which must not count as leave to serve. */
export function isOff(kind: 'disabled' | 'enabled', value: unknown): boolean | null {
  const said = typeof value === 'boolean' ? value : parseBoolean(typeof value === 'object' ? '' : String(value));
  return said === null ? null : said === (kind === 'disabled');
}
