import { parse } from 'dotenv';
import { withoutBlankLines } from '../config/blank-lines.ts';
import { isTrue } from '../config/kinds.ts';
import { type Parsed, problem } from './auth-entry.ts';
import { asEmail } from './display-text.ts';
import { trimKey } from './key-text.ts';

/** Reads a `.env` auth file (docs/kmi-manager.md#auth-files). Never throws. */
export function parseEnvFile(text: string): Parsed {
  const values = parse(withoutBlankLines(text));
  const value = (name: string): string => (Object.hasOwn(values, name) ? (values[name] ?? '').trim() : '');
  const apiKey = trimKey(value('KMI_API_KEY'));
  if (apiKey === '') return problem('no_key', 'The file sets no KMI_API_KEY.');
  return {
    entry: {
      apiKey,
      baseUrl: value('KMI_UPSTREAM_BASE_URL') || null,
      label: value('KMI_KEY_LABEL') || null,
      priority: parsePriority(value('KMI_KEY_PRIORITY')),
      disabled: isTrue(value('KMI_KEY_DISABLED')),
      email: asEmail(value('KMI_ACCOUNT_EMAIL')) ?? asEmail(value('KMI_EMAIL')) ?? asEmail(value('EMAIL')),
    },
  };
}

/** A whole number; anything else is 0. */
function parsePriority(text: string): number {
  const number = /^[+-]?\d{1,15}$/.test(text) ? Number(text) : 0;
  return number === 0 ? 0 : number;
}
