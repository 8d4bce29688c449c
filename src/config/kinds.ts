import { homedir } from 'node:os';
import { resolve } from 'node:path';

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
  /** Text to value. Throws `BadValue` when the text is none of what is accepted. */
  readonly parse: (text: string) => Value;
};

/** A setting's text is not what is accepted; the loader adds variable and value. */
export class BadValue extends Error {}

type Options = { readonly secret?: boolean };

function setting<Value>(
  variable: string,
  defaultText: string,
  help: string,
  accepts: string,
  parse: (text: string) => Value,
  { secret = false }: Options = {},
): Setting<Value> {
  return { variable, defaultText, help, accepts, secret, parse };
}

const TRUE_WORDS = new Set(['1', 'true', 'yes', 'on']);

/** `1 true yes on` in any case are true, anything else false (docs/kmi-manager.md#settings). */
export function isTrue(value: string): boolean {
  return TRUE_WORDS.has(value.trim().toLowerCase());
}

export function boolean(variable: string, fallback: boolean, help: string): Setting<boolean> {
  return setting(variable, fallback ? '1' : '0', help, '1, true, yes or on for true, anything else for false', isTrue);
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

export function text(variable: string, help: string, options?: Options): Setting<string> {
  return setting(variable, '', help, 'any text', (value) => value.trim(), options);
}

export function choice<const Word extends string>(
  variable: string,
  words: readonly [Word, ...Word[]],
  help: string,
): Setting<Word> {
  return setting(variable, words[0], help, `one of ${words.join(', ')}`, (value) => {
    const word = words.find((candidate) => candidate === value.trim().toLowerCase());
    if (word === undefined) throw new BadValue();
    return word;
  });
}

/** An absolute path; `~` is the home folder. Empty text stays empty. */
export function path(variable: string, fallback: string, help: string): Setting<string> {
  return setting(variable, fallback, help, 'a path', (value) => expandPath(value.trim()));
}

export function expandPath(value: string): string {
  if (value === '') return '';
  if (value === '~' || value.startsWith('~/')) return resolve(homedir(), value.slice(2));
  return resolve(value);
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

/** An `https://` base URL without a trailing slash; `http://` only for a loopback host. */
export function upstreamUrl(variable: string, fallback: string, help: string): Setting<string> {
  return setting(
    variable,
    fallback,
    help,
    'an https:// URL (http:// only for 127.0.0.0/8, ::1 or localhost), without user, query or fragment',
    (value) => {
      const url = parseBaseUrl(value);
      if (url === null) throw new BadValue();
      return url;
    },
  );
}

/** The normalised base URL, or null when it is not acceptable as an upstream (docs/kmi-manager.md#base-urls). */
export function parseBaseUrl(value: string): string | null {
  const url = toUrl(value.trim());
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) return null;
  return url.origin + withoutTrailingSlashes(url.pathname);
}

/** A loop, because a pattern for it takes time that grows with the square of a run of slashes. */
function withoutTrailingSlashes(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === '/') end -= 1;
  return text.slice(0, end);
}

function toUrl(value: string): URL | null {
  try {
    return new URL(value);
  } catch {
    return null;
  }
}

/** 127.0.0.0/8, ::1, localhost; IPv6 with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);
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
  return setting(variable, '', help, 'origins such as https://app.example separated by commas', (value) =>
    parseList(value, (entry) => {
      const url = toUrl(entry);
      return url !== null && url.origin !== 'null' && `${url.origin}/` === url.href ? url.origin : null;
    }),
  );
}

function parseList(value: string, parseEntry: (entry: string) => string | null): readonly string[] {
  const entries = value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
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
    'a URL that starts with http://, https:// or socks5://',
    (value) => {
      const trimmed = value.trim();
      if (trimmed === '') return '';
      const url = toUrl(trimmed);
      if (url === null || !['http:', 'https:', 'socks5:'].includes(url.protocol) || url.hostname === '') throw new BadValue();
      return trimmed;
    },
    { secret: true },
  );
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
  );
}
