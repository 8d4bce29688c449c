/** Shorter than this, an encoded form is also found where no key is. */
const ENCODED_MIN_CHARS = 8;
/** Of a key at the end of a text that was cut off there, this much is a key already. */
export const CUT_MIN_CHARS = 6;
/** Line breaks and UTF-16's zeros may stand between any two characters. Every repetition is bounded, so that no text takes long. */
const BETWEEN = String.raw`(?:[\0\r\n]|\\[rn]){0,4}`;
const BASE64_CHAR = '[A-Za-z0-9+/_-]';

/** No character takes more than this in any of its spellings. */
export const SPELLING_MAX_CHARS = 24;

type Patterns = { readonly whole: RegExp; readonly cut: RegExp };

/**
 * `text` (one character a byte) with every echo of the key covered by stars of the same length; null when there is none. Found
 * are the key itself and its JSON, URL and HTML escapes, also of single characters, its base64 in both alphabets, wherever in
 * a longer text it stands, and its hex digits. `isCut`: the text breaks off, perhaps in the middle of the key.
 */
export function maskKey(text: string, key: string, { isCut = false } = {}): string | null {
  if (key === '') return null;
  const { whole, cut } = patternsFor(key);
  let found = false;
  const cover = (echo: string): string => {
    found = true;
    return echo.replace(/[^\0\r\n]/g, '*');
  };
  let masked = text.replace(whole, cover);
  if (isCut) {
    const tail = Math.max(0, masked.length - key.length * SPELLING_MAX_CHARS);
    masked = `${masked.slice(0, tail)}${masked.slice(tail).replace(cut, cover)}`;
  }
  return found ? masked : null;
}

/** Errors of one key often come in a row. */
let last: { readonly key: string; readonly patterns: Patterns } | null = null;

function patternsFor(key: string): Patterns {
  if (last?.key !== key) last = { key, patterns: makePatterns(key) };
  return last.patterns;
}

function makePatterns(key: string): Patterns {
  const bytes = Buffer.from(key, 'latin1');
  const forms: Form[] = [{ chars: [...key].map((char) => [char]), after: '' }];
  if (key.length >= ENCODED_MIN_CHARS) {
    forms.push(hexForm(bytes), ...[0, 1, 2].map((offset) => base64Form(bytes, offset)));
  }
  return {
    whole: new RegExp(forms.map(wholePattern).join('|'), 'g'),
    // The last spelling may be cut off too.
    cut: new RegExp(`(?:${forms.map(cutPattern).join('|')})(?:[\\\\%&][\\w#%;\\\\]{0,20})?$`),
  };
}

/** What a form of the key looks like: for each character the ones it may be, and what may follow and holds bits of its last one. */
type Form = { readonly chars: readonly (readonly string[])[]; readonly after: string };

function hexForm(bytes: Buffer): Form {
  return { chars: [...bytes.toString('hex')].map((digit) => [digit, digit.toUpperCase()]), after: '' };
}

/** Base64 of a text that has the key at a place with this remainder by 3. What its first character shares with others stays. */
function base64Form(bytes: Buffer, offset: number): Form {
  const bits = (offset + bytes.length) * 8;
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const own = text.slice(Math.ceil((offset * 8) / 6), Math.floor(bits / 6));
  return {
    chars: [...own].map((char) => (char === '+' ? ['+', '-'] : char === '/' ? ['/', '_'] : [char])),
    after: bits % 6 === 0 ? '' : `(?:${BETWEEN}${BASE64_CHAR})?`,
  };
}

function wholePattern({ chars, after }: Form): string {
  return `${chars.map(charPattern).join(BETWEEN)}${after}`;
}

function cutPattern({ chars, after }: Form): string {
  const patterns = chars.map(charPattern);
  const rest = patterns.slice(CUT_MIN_CHARS).reduceRight((inner, one) => `(?:${BETWEEN}${one}${inner})?`, after);
  return `${patterns.slice(0, CUT_MIN_CHARS).join(BETWEEN)}${rest}`;
}

function charPattern(chars: readonly string[]): string {
  return `(?:${chars.flatMap(spellings).join('|')})`;
}

/** A character as it is, and as `\u0073`, `\x73`, `\/`, `%73`, `%2573`, `&#115;`, `&#x73;`. */
function spellings(char: string): string[] {
  const code = char.charCodeAt(0);
  const hex = [...code.toString(16).padStart(2, '0')].map((digit) => `[${digit}${digit.toUpperCase()}]`).join('');
  return [
    `${/\w/.test(char) ? '' : '\\\\{0,4}'}${char.replace(/[^\w]/, '\\$&')}`,
    String.raw`\\{1,4}u00${hex}`,
    String.raw`\\{1,4}x${hex}`,
    `%(?:25){0,3}${hex}`,
    `&(?:amp;){0,2}#0{0,5}${code};`,
    `&(?:amp;){0,2}#[xX]0{0,5}${hex};`,
  ];
}
