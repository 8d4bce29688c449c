import { DEFAULT_WEIGHT, parsePriority, parseWeight } from '../core/keys/key.ts';
import { isTable, own, type Table } from '../files/toml-table.ts';
import { findEmail } from './account-email.ts';
import { type Parsed, problem } from './auth-entry.ts';
import { cleanText } from './display-text.ts';
import { isOff, switchOf } from './key-switch.ts';
import { looksLikeKey } from './key-text.ts';
import { apiKeyOf, chooseProviderWithKey, kimiProviders, providersOf } from './provider-choice.ts';

export function parseJsonFile(text: string, upstreamBaseUrl: string): Parsed {
  try {
    return readProviders(JSON.parse(text), upstreamBaseUrl);
  } catch {
    // Not the parser's message: it quotes the text.
    return problem('malformed', 'The file is not valid JSON.');
  }
}

/**
 * The key of a parsed `.toml` or `.json` auth file: that of the provider which speaks for the file (`chooseProviderWithKey`).
 * Providers of other companies, and of the wrong shape, do not count; other keys for Kimi are named as not used.
 */
export function readProviders(data: unknown, upstreamBaseUrl: string): Parsed {
  const written = isTable(data) ? own(data, 'providers') : undefined;
  if (!isTable(data) || (written !== undefined && !isTable(written))) {
    return problem('malformed', 'The file is not a table of providers.');
  }
  const all = Object.entries(written ?? {});
  const shaped = all.filter(([, value]) => isTable(value) && isTextOrAbsent(value.api_key) && isTextOrAbsent(value.base_url));
  const config = { ...data, providers: Object.fromEntries(shaped) };
  const name = chooseProviderWithKey(config, upstreamBaseUrl);
  if (name === null) return withoutKey(data, config, all.length > shaped.length);
  const provider = own(providersOf(config), name) as Table;
  const apiKey = apiKeyOf(provider);
  const disabled = readDisabled(data, provider);
  if (typeof disabled === 'string') {
    return problem('malformed', `Its ${cleanText(disabled, 40)} is unclear, so the key is not used; accepted: true or false.`);
  }
  const priority = numberOf(provider, 'priority', 0, parsePriority);
  const weight = numberOf(provider, 'weight', DEFAULT_WEIGHT, parseWeight);
  const url = own(provider, 'base_url');
  const others = kimiProviders(config, upstreamBaseUrl).filter((other) => {
    const key = apiKeyOf(providersOf(config)[other]);
    return key !== '' && key !== apiKey;
  });
  return {
    entry: {
      apiKey,
      baseUrl: (typeof url === 'string' && url.trim()) || null,
      label: null,
      priority: priority ?? 0,
      weight: weight ?? DEFAULT_WEIGHT,
      disabled,
      email: findEmail(provider, data),
    },
    remarks: [
      ...(priority === null ? ['Its priority is not a whole number and counts as 0.'] : []),
      ...(weight === null ? [`Its weight is not a whole number from 1 to 1000 and counts as ${DEFAULT_WEIGHT}.`] : []),
      ...others.map((other) => `${named(other)} holds another key, which is not used; put it into a file of its own.`),
      ...slipsOf(provider),
    ],
  };
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

/** Whether the provider, or the file as a whole, says that the key is not to serve; the name of a switch that is unclear. */
function readDisabled(data: Table, provider: Table): boolean | string {
  const switches = [data, provider].flatMap((table) =>
    Object.entries(table).flatMap(([name, value]) => {
      const kind = switchOf(name);
      return kind === null || value === null ? [] : [{ name, isOff: isOff(kind, value) }];
    }),
  );
  if (switches.some(({ isOff }) => isOff === true)) return true;
  return switches.find(({ isOff }) => isOff === null)?.name ?? false;
}

/** A number, or digits in quotes; null for anything else. */
function numberOf(provider: Table, name: string, fallback: number, parse: (text: string) => number | null): number | null {
  const value = own(provider, name) ?? fallback;
  return /^(?:number|bigint|string)$/.test(typeof value) ? parse(String(value).trim()) : null;
}

function withoutKey(data: Table, config: Table, isMisshapen: boolean): Parsed {
  const withKey = Object.entries(providersOf(config)).filter(([, provider]) => apiKeyOf(provider) !== '');
  if (withKey.length > 0) {
    const names = withKey.slice(0, 3).map(([name]) => named(name).replace('The', 'the').replace('A ', 'a '));
    return problem(
      'no_key',
      `The file holds no key for Kimi, but for ${names.join(', ')}. A gateway of your own needs type = "kimi".`,
    );
  }
  if (isMisshapen) return problem('malformed', 'The api_key or base_url of its provider is not a text.');
  const [slip] = Object.values(providersOf(config)).flatMap(slipsOf);
  if (slip !== undefined) return problem('no_key', `The file names no provider with an api_key. ${slip}`);
  return own(data, 'api_key') === undefined
    ? problem('no_key', 'The file names no provider with an api_key.')
    : problem('no_key', 'Its api_key stands outside of a provider; put it below [providers.kimi].');
}

/** Fields that were meant for us and are spelt otherwise: `apiKey`, `base-url`. */
function slipsOf(provider: Table): string[] {
  return Object.keys(provider).flatMap((name) => {
    const meant = MEANT.get(name.replace(/[_-]/g, '').toLowerCase());
    if (meant === undefined || Object.hasOwn(provider, meant)) return [];
    return [`${cleanText(name)} is not read; did you mean ${meant}?`];
  });
}

const MEANT: ReadonlyMap<string, string> = new Map([
  ['apikey', 'api_key'],
  ['baseurl', 'base_url'],
]);

/** A provider's name for a message; somebody may have written a key there. */
function named(name: string): string {
  const clean = cleanText(name, 40);
  return clean === '' || looksLikeKey(clean) ? 'A provider' : `The provider ${clean}`;
}
