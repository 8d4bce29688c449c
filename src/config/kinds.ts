import { isExample, isReference } from '../core/keys/placeholder.ts';
import { DIRECT, isDirect, PROXY_FORMS, parseProxy } from '../core/network/outgoing-proxy.ts';
import { parseBaseUrl, whyNoBaseUrl, withoutTrailingSlashes } from './base-url.ts';
import { BOOLEAN_WORDS, parseBoolean } from './boolean-words.ts';
import { expandPath } from './expand-path.ts';
import { isLoopbackHost } from './loopback.ts';
import { DESKTOP, parseNotifyTarget } from './notify-target.ts';
import { parseOrigin } from './origin.ts';

export { parseBaseUrl, whyNoBaseUrl } from './base-url.ts';
export { isLoopbackHost } from './loopback.ts';

/** One row of the settings table. */
export type Setting<Value> = {
  readonly variable: string;
  /** As it would stand in `.env`. */
  readonly defaultText: string;
  /** One line of help, without a full stop. */
  readonly help: string;
  /** What a value may be, in words: used in error messages. */
  readonly accepts: string;
  readonly secret: boolean;
  /** Of a secret setting: whether this text is fit for the command line and the screen all the same, such as a word. */
  readonly isOpen: (text: string) => boolean;
  /** Values that are words; a shell offers them. */
  readonly words: readonly string[];
  /** Text to value; paths may name variables of the environment. Throws `BadValue` when the text is none of what is accepted. */
  readonly parse: (text: string, environment?: Readonly<Record<string, string | undefined>>) => Value;
};

/** A setting's text is not what is accepted; the loader adds variable and value. The message, if any, says why. */
export class BadValue extends Error {}

type Options = Partial<Pick<Setting<unknown>, 'secret' | 'isOpen' | 'words'>>;

function setting<Value>(
  variable: string,
  defaultText: string,
  help: string,
  accepts: string,
  parse: Setting<Value>['parse'],
  { secret = false, isOpen = () => !secret, words = [] }: Options = {},
): Setting<Value> {
  return { variable, defaultText, help, accepts, secret, isOpen, words, parse };
}

/** Strict: a slip in a switch that guards money or keys must not count as the unsafe side. */
export function boolean(variable: string, fallback: boolean, help: string): Setting<boolean> {
  const parse = (value: string) => {
    const parsed = parseBoolean(value);
    if (parsed === null) throw new BadValue();
    return parsed;
  };
  return setting(variable, fallback ? '1' : '0', help, BOOLEAN_WORDS, parse, { words: ['0', '1'] });
}

export function integer(
  variable: string,
  fallback: number,
  help: string,
  { min = 0, max = 1_000_000_000 }: { min?: number; max?: number } = {},
): Setting<number> {
  return setting(variable, String(fallback), help, `a whole number from ${min} to ${max}`, (value) => {
    const number = /^[+-]?\d{1,15}$/.test(value.trim()) ? Number(value.trim()) : Number.NaN;
    if (!(number >= min && number <= max)) throw new BadValue();
    return number;
  });
}

/** A reference that nothing expanded is no text of the user's, and an example's stand-in is no secret. */
export function text(variable: string, help: string, options: Options = {}): Setting<string> {
  const accepts = `any text but a placeholder${options.secret === true ? ', such as a long random one' : ''}`;
  return setting(
    variable,
    '',
    help,
    accepts,
    (value) => {
      if (isReference(value) || (options.secret === true && isExample(value) && value.trim() !== '')) throw new BadValue();
      return value.trim();
    },
    options,
  );
}

export function choice<const Word extends string>(
  variable: string,
  words: readonly [Word, ...Word[]],
  help: string,
): Setting<Word> {
  const parse = (value: string) => {
    const word = words.find((candidate) => candidate === value.trim().toLowerCase());
    if (word === undefined) throw new BadValue();
    return word;
  };
  return setting(variable, words[0], help, `one of ${words.join(', ')}`, parse, { words });
}

export const PATH_WORDS = 'a path; ~, $HOME, %USERPROFILE% and the XDG variables are expanded where they are set';

/** An absolute path. Empty text stays empty. */
export function path(variable: string, fallback: string, help: string): Setting<string> {
  return setting(variable, fallback, help, PATH_WORDS, (value, environment) => {
    const expanded = expandPath(value, environment);
    if (expanded === null) throw new BadValue();
    return expanded;
  });
}

export type Listen = { readonly host: string; readonly port: number };

/** `host:port`, IPv6 in brackets. */
export function listen(variable: string, fallback: string, help: string): Setting<Listen> {
  return setting(variable, fallback, help, 'host:port with a port from 0 to 65535, IPv6 in brackets', (value) => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(value.trim());
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) throw new BadValue();
    return Object.freeze({ host: match[1] ?? (match[2] as string), port });
  });
}

/** Starts with `/`, plain segments, no trailing slash. */
export function basePath(variable: string, fallback: string, help: string): Setting<string> {
  return setting(variable, fallback, help, 'a path of plain segments that starts with /, such as /kmi-rotor/v1', (value) => {
    const trimmed = withoutTrailingSlashes(value.trim());
    const segments = trimmed.split('/').slice(1);
    const plain = segments.length > 0 && segments.every((segment) => /^[\w.~-]+$/.test(segment) && !/^\.{1,2}$/.test(segment));
    if (!trimmed.startsWith('/') || !plain || segments[0] === 'healthz') throw new BadValue();
    return trimmed;
  });
}

/** A base URL as `parseBaseUrl` takes it. */
/** The origin of an authorisation server: scheme, host and port. Empty text stays empty. */
export function oauthHost(variable: string, help: string): Setting<string> {
  const accepts =
    'an https:// address without a path (http:// only for 127.0.0.0/8, ::1 or localhost), such as https://auth.kimi.com';
  return setting(variable, '', help, accepts, (value) => {
    if (value.trim() === '') return '';
    const address = URL.canParse(value.trim()) ? new URL(value.trim()) : null;
    const isSafe = address?.protocol === 'https:' || (address?.protocol === 'http:' && isLoopbackHost(address.hostname));
    if (address === null || !isSafe || address.href !== `${address.origin}/`) throw new BadValue();
    return address.origin;
  });
}

export function upstreamUrl(variable: string, fallback: string, help: string): Setting<string> {
  return setting(
    variable,
    fallback,
    help,
    'an https:// URL (http:// only for 127.0.0.0/8, ::1 or localhost), without user, query or fragment',
    (value) => {
      if (value === fallback) return fallback;
      const url = parseBaseUrl(value);
      const why = url === null ? whyNoBaseUrl(value) : null;
      if (url === null) throw new BadValue(why === null ? '' : `it ${why}`);
      return url;
    },
  );
}

/** Is the URL's host in the list? `*.domain` stands for every host below the domain; an empty list allows any. */
export function isAllowedHost(url: string, allowlist: readonly string[]): boolean {
  if (allowlist.length === 0) return true;
  const host = new URL(url).hostname.toLowerCase();
  return allowlist.some((entry) => (entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : host === entry));
}

export function hostList(variable: string, help: string): Setting<readonly string[]> {
  return setting(variable, '', help, 'host names separated by commas, without scheme or path', (value) =>
    parseList(value, (entry) => {
      const host = entry.toLowerCase();
      return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host) || /^\[?[0-9a-f:.]+\]?$/.test(host)
        ? host.replace(/^\[|\]$/g, '')
        : null;
    }),
  );
}

export function originList(variable: string, help: string): Setting<readonly string[]> {
  return setting(
    variable,
    '',
    help,
    'origins such as https://app.example or app://obsidian.md, separated by commas; not * or null, which any page could use',
    (value) => parseList(value, parseOrigin),
  );
}

function parseList(value: string, parseEntry: (entry: string) => string | null): readonly string[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  // Separators alone: to take them for "any host" would open what was meant to be closed.
  if (entries.length === 0 && value.trim() !== '') throw new BadValue();
  return Object.freeze(
    entries.map((entry) => {
      const parsed = parseEntry(entry);
      if (parsed === null) throw new BadValue();
      return parsed;
    }),
  );
}

/** A secret because it may hold a password. */
export function proxyUrl(variable: string, help: string): Setting<string> {
  return setting(
    variable,
    '',
    help,
    `${PROXY_FORMS}, or ${DIRECT} for no proxy`,
    (value) => {
      const trimmed = value.trim();
      if (isDirect(trimmed)) return DIRECT;
      if (isReference(trimmed)) throw new BadValue();
      const proxy = trimmed === '' ? null : parseProxy(trimmed);
      if (proxy !== null && 'problem' in proxy) throw new BadValue(proxy.problem);
      return trimmed;
    },
    { secret: true, isOpen: (value) => isDirect(value) || isOpenProxy(value), words: [DIRECT] },
  );
}

function isOpenProxy(text: string): boolean {
  const proxy = parseProxy(text);
  return 'user' in proxy && proxy.user === null;
}

/** A secret: anyone who has the URL of a webhook can send to it. */
export function notifyTarget(variable: string, help: string): Setting<string> {
  const accepts = 'desktop, off, or the https:// URL of a webhook (http:// only for 127.0.0.0/8, ::1 or localhost)';
  const parse = (value: string) => {
    const target = parseNotifyTarget(value);
    if (target === null) throw new BadValue();
    return target;
  };
  const isOpen = (value: string) => ['', DESKTOP].includes(parseNotifyTarget(value) ?? value);
  return setting(variable, '', help, accepts, parse, { secret: true, isOpen, words: [DESKTOP, 'off'] });
}

/** `local`, `UTC`, an offset such as `+03:00`, or an IANA zone. */
export function timezone(variable: string, fallback: string, help: string): Setting<string> {
  return setting(
    variable,
    fallback,
    help,
    'local, UTC, an offset such as +03:00, or an IANA name such as Europe/Berlin',
    (value) => {
      const zone = value.trim();
      const word = zone.toLowerCase();
      if (word === 'local') return 'local';
      if (word === 'utc' || word === 'z') return 'UTC';
      if (/^[+-](0\d|1[0-4]):?[0-5]\d$/.test(zone)) return zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
      try {
        return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
      } catch {
        throw new BadValue();
      }
    },
    { words: ['local', 'UTC'] },
  );
}
