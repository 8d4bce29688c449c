// Loaded on demand only (`await import`): a folder of .env files must not pay for zod.
import * as z from 'zod/mini';
import { findEmail } from './account-email.ts';
import { type Parsed, problem } from './auth-entry.ts';
import { trimKey } from './key-text.ts';
import { PREFERRED_PROVIDERS } from './preferred-providers.ts';
import { isTable, own, type Table } from './table.ts';

const Provider = z.looseObject({ api_key: z.optional(z.string()), base_url: z.optional(z.string()) });

export function parseJsonFile(text: string): Parsed {
  try {
    return readProviders(JSON.parse(text));
  } catch {
    // Not the parser's message: it quotes the text.
    return problem('malformed', 'The file is not valid JSON.');
  }
}

/**
 * Picks the key of a parsed `.toml` or `.json` auth file: the first preferred provider that has one, else the first that has one.
 * A provider of the wrong shape does not stop another from being used.
 */
export function readProviders(data: unknown): Parsed {
  const providers = isTable(data) ? own(data, 'providers') : undefined;
  if (!isTable(data) || (providers !== undefined && !isTable(providers))) {
    return problem('malformed', 'The file is not a table of providers.');
  }
  let misshapen = false;
  for (const name of providers === undefined ? [] : inOrder(providers)) {
    const value = own(providers as Table, name);
    const provider = Provider.safeParse(value);
    if (!provider.success || !isTable(value)) {
      misshapen = true;
      continue;
    }
    const apiKey = trimKey(provider.data.api_key ?? '');
    if (apiKey === '') continue;
    const baseUrl = provider.data.base_url?.trim() || null;
    return { entry: { apiKey, baseUrl, label: null, priority: 0, disabled: false, email: findEmail(value, data) } };
  }
  return misshapen
    ? problem('malformed', 'The api_key or base_url of its provider is not a text.')
    : problem('no_key', 'The file names no provider with an api_key.');
}

function inOrder(providers: Table): readonly string[] {
  return [...new Set([...PREFERRED_PROVIDERS.filter((name) => Object.hasOwn(providers, name)), ...Object.keys(providers)])];
}
