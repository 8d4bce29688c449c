export const MASK = '***';

/**
 * Shapes of credentials and account ids in upstream texts (docs/kimi-api.md#credentials,
 * docs/kimi-api.md#error-headers). Each is linear in the length of the text. A letter or digit before `sk-` makes it
 * another word ("task-manager"), except before `sk-kimi-`.
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer\s+)[^\s"'`,;<>\\]+/gi, `$1${MASK}`],
  [/(?:sk-kimi-[\w-]+|(?<![A-Za-z0-9])sk-[\w-]{8,})/gi, `sk-${MASK}`],
  [/(?<![A-Za-z0-9])(org|ak)-[\w-]{6,}/gi, `$1-${MASK}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, MASK],
];

/** One of these is in every text that any of the shapes matches. Most texts hold none, and plain looks cost less than four patterns. */
const MARKS = ['sk-', 'bearer', 'org-', 'ak-', 'eyj'];

/**
 * `text` without the given secrets and without anything shaped like a credential: `sk-…`, `Bearer …`, a JSON web
 * token, `org-…` and `ak-…` ids. Redact before clipping: a secret that is cut in half no longer matches.
 */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  // Longest first, so that a secret that contains another leaves no rest.
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret !== '') clean = clean.replaceAll(secret, MASK);
  }
  const lower = clean.toLowerCase();
  if (!MARKS.some((mark) => lower.includes(mark))) return clean;
  for (const [shape, mask] of SHAPES) clean = clean.replace(shape, mask);
  return clean;
}
