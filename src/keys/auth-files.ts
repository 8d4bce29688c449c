import { isAllowedHost, type Listen, parseBaseUrl, whyNoBaseUrl } from '../config/kinds.ts';
import { isOwnAddress } from '../config/own-address.ts';
import type { Key } from '../core/keys/key.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { NOT_TEXT, textOf } from '../files/text-bytes.ts';
import { type AuthEntry, type AuthProblem, type FileRemark, type Parsed, problem, type SkippedFile } from './auth-entry.ts';
import type { AuthFile, AuthFormat } from './auth-folder.ts';
import { asEmail, cleanPath, cleanText, emailInLabel, stemLabel } from './display-text.ts';
import { parseEnvFile } from './env-file.ts';
import { hashKey, problemOfKey } from './key-text.ts';

export type UpstreamRules = {
  /** For files that name no base URL. */
  readonly upstreamBaseUrl: string;
  /** Empty allows any host. */
  readonly upstreamAllowlist: readonly string[];
  /** Where the proxy listens, which is no upstream. */
  readonly proxyListen?: Listen;
};

/** Longer than any real URL; `parseBaseUrl` need not look at more. */
const LONGEST_URL = 2048;

/** What one auth file gives: its key, or why there is none; and what else in it is not used. */
export type AuthReading = { readonly result: Key | SkippedFile; readonly remarks: readonly FileRemark[] };

/** Reads one auth file. Never throws. */
export async function readAuthFile(file: AuthFile, rules: UpstreamRules): Promise<AuthReading> {
  const read = await readBoundedFile(file.path);
  if ('problem' in read) return skipped(file, read.problem);
  const text = textOf(read.bytes);
  if (text === null) return skipped(file, { reason: 'malformed', detail: `The file is ${NOT_TEXT}.` });
  const { format, parsed } = await parseText(text, file.format, rules.upstreamBaseUrl);
  if ('problem' in parsed) return skipped(file, parsed.problem);
  const key = toKey(parsed.entry, format, file, rules);
  if ('problem' in key) return skipped(file, key.problem);
  return { result: key, remarks: parsed.remarks.map((detail) => Object.freeze({ file: key.source, detail })) };
}

export function isKey(result: Key | SkippedFile): result is Key {
  return 'value' in result;
}

type KnownFormat = Exclude<AuthFormat, 'any'>;

async function parseText(
  text: string,
  format: AuthFormat,
  upstreamBaseUrl: string,
): Promise<{ format: KnownFormat; parsed: Parsed }> {
  if (format !== 'any') return { format, parsed: await parseAs[format](text, upstreamBaseUrl) };
  const attempts = [];
  for (const candidate of ['json', 'toml', 'env'] as const) {
    const attempt = { format: candidate, parsed: await parseAs[candidate](text, upstreamBaseUrl) };
    if ('entry' in attempt.parsed) return attempt;
    attempts.push(attempt);
  }
  const parsed = attempts.some(
    ({ format, parsed }) => format !== 'env' && 'problem' in parsed && parsed.problem.reason === 'no_key',
  )
    ? problem('no_key', 'The file names no provider with an api_key.')
    : problem('no_key', 'The file holds a key in none of the three formats.');
  return { format: 'env', parsed };
}

/** The parsers of the rarer formats are loaded when the first such file turns up: `kmi status` must start fast. */
const parseAs: Record<KnownFormat, (text: string, upstreamBaseUrl: string) => Parsed | Promise<Parsed>> = {
  env: parseEnvFile,
  json: async (text, upstreamBaseUrl) => (await import('./provider-file.ts')).parseJsonFile(text, upstreamBaseUrl),
  toml: async (text, upstreamBaseUrl) => {
    const [{ parseToml }, { readProviders }] = await Promise.all([import('../files/toml-text.ts'), import('./provider-file.ts')]);
    const toml = parseToml(text);
    return 'problem' in toml ? problem('malformed', toml.problem) : readProviders(toml.data, upstreamBaseUrl);
  },
};

function toKey(entry: AuthEntry, format: KnownFormat, file: AuthFile, rules: UpstreamRules): Key | { problem: AuthProblem } {
  const value = entry.apiKey;
  const baseUrl = baseUrlOf(entry, rules);
  if (baseUrl === null) {
    const why = whyNoBaseUrl((entry.baseUrl ?? '').slice(0, LONGEST_URL));
    if (why !== null) return problem('bad_url', `Its base URL ${why}.`);
    return problem('bad_url', 'Its base URL is not a plain https:// address (http:// is for this machine only).');
  }
  if (!isAllowedHost(baseUrl, rules.upstreamAllowlist)) {
    return problem('bad_url', 'Its base URL names a host that KMI_UPSTREAM_ALLOWLIST does not list.');
  }
  const wrong = problemOfKey(value, baseUrl);
  if (wrong !== null) return { problem: wrong };
  if (entry.baseUrl !== null && rules.proxyListen !== undefined && isOwnAddress(baseUrl, rules.proxyListen)) {
    return problem('bad_url', 'Its base URL is the address of this proxy itself; it must name the Kimi API.');
  }
  const hash = hashKey(value);
  const email = entry.email ?? emailInLabel(stemLabel(file.stem)) ?? asEmail(file.subfolder);
  return Object.freeze({
    label: pickLabel(entry, format, file, hash),
    value,
    hash,
    baseUrl,
    priority: entry.priority,
    weight: entry.weight,
    disabled: entry.disabled,
    email: email?.includes(value) ? null : email,
    source: cleanPath(file.path),
  });
}

function baseUrlOf({ baseUrl }: AuthEntry, { upstreamBaseUrl }: UpstreamRules): string | null {
  if (baseUrl === null) return upstreamBaseUrl;
  return baseUrl.length > LONGEST_URL ? null : parseBaseUrl(baseUrl);
}

/**
 * The file's own label, else its stem, else its folder's name (`alice/config.toml` is `alice`). Never a name that every object has
 * (`__proto__`, `constructor`), because labels become names in stored objects, and never one that shows the key.
 */
function pickLabel(entry: AuthEntry, format: KnownFormat, file: AuthFile, hash: string): string {
  const stem = format === 'env' ? cleanText(file.stem) : stemLabel(file.stem);
  const candidates = [cleanText(entry.label ?? ''), stem, cleanText(file.subfolder ?? ''), cleanText(file.stem)];
  const label = candidates.find((candidate) => candidate !== '' && !(candidate in Object.prototype));
  return label === undefined || label.includes(entry.apiKey) ? `key-${hash}` : label;
}

function skipped(file: AuthFile, { reason, detail }: AuthProblem): AuthReading {
  return { result: Object.freeze({ file: cleanPath(file.path), reason, detail }), remarks: [] };
}
