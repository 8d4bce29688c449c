import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskKey } from '../../src/proxy/exchange/mask-key.ts';

const KEY = 'sk-kimi-Ab1+/_9zQ~x7Kp2Lm4Nv8Tr5';
const hexOf = (char: string) => char.charCodeAt(0).toString(16).padStart(2, '0');
const each = (spell: (char: string) => string) => [...KEY].map(spell).join('');
const base64 = (before: string, after = '') => Buffer.from(`${before}${KEY}${after}`).toString('base64');

const ECHOES: readonly [string, string][] = [
  ['as it is', KEY],
  ['with JSON escapes', each((char) => `\\u00${hexOf(char)}`)],
  ['with JSON escapes in capitals', each((char) => `\\u00${hexOf(char).toUpperCase()}`)],
  ['with one JSON escape', KEY.replace('s', '\\u0073')],
  ['with escaped slashes', KEY.replaceAll('/', '\\/')],
  ['escaped twice', each((char) => `\\\\u00${hexOf(char)}`)],
  ['URL-encoded', encodeURIComponent(KEY)],
  ['URL-encoded in full', each((char) => `%${hexOf(char)}`)],
  ['URL-encoded twice', encodeURIComponent(encodeURIComponent(KEY))],
  ['with HTML entities', each((char) => `&#${char.charCodeAt(0)};`)],
  ['with hex entities', each((char) => `&#x${hexOf(char)};`)],
  ['in hex digits', Buffer.from(KEY).toString('hex').toUpperCase()],
  ['in UTF-16', Buffer.from(KEY, 'utf16le').toString('latin1')],
  ...['', ':', 'id', 'Bearer ', 'Basic user:'].flatMap((before): [string, string][] => [
    [`in base64 after "${before}"`, base64(before)],
    [`in base64 after "${before}", without padding`, base64(before, ';').replaceAll('=', '')],
    [`in base64 for URLs after "${before}"`, Buffer.from(`${before}${KEY}`).toString('base64url')],
    [`in base64 after "${before}" with escaped slashes`, base64(before, 'xy').replaceAll('/', '\\/').replaceAll('=', '%3D')],
  ]),
  ['in base64 with line breaks', base64('').replace(/(.{20})/g, '$1\r\n')],
];

/** What somebody could read out of a text, in any of the ways that text is encoded. */
function readings(text: string): string[] {
  const decoded = [text, text.replace(/\\+u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))];
  for (const run of text.match(/[A-Za-z0-9+/_-]{8,}/g) ?? []) {
    for (const shift of [0, 1, 2, 3]) decoded.push(Buffer.from(run.slice(shift), 'base64').toString('latin1'));
  }
  return decoded;
}

describe('a key that is echoed', () => {
  it.each(ECHOES)('%s is covered, and nothing but it', (_, echo) => {
    const masked = maskKey(`before "${echo}" after`, KEY) as string;
    expect(masked).toMatch(/^before "[*\0\r\nA-Za-z0-9+/=%-]*" after$/);
    expect(masked.length).toBe(`before "${echo}" after`.length);
    expect(masked.replaceAll('\0', '')).toContain('*'.repeat(8));
    for (const reading of readings(masked)) expect(reading).not.toContain(KEY.slice(4, 10));
  });

  it('is covered wherever it stands, however often, and every other character stays', () => {
    const text = fc.stringMatching(/^[ -~]{0,40}$/);
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 4 }), (parts) => {
        fc.pre(!parts.some((part) => part.includes('sk')));
        expect(maskKey(parts.join(KEY), KEY)).toBe(parts.join('*'.repeat(KEY.length)));
      }),
    );
  });

  it('is covered as far as it got when the text breaks off in it', () => {
    for (const [, echo] of ECHOES.slice(0, 7)) {
      const cut = `so ${echo.slice(0, Math.floor(echo.length * 0.7))}`;
      expect([cut, maskKey(cut, KEY, { isCut: true })?.slice(0, -6)]).toEqual([cut, `so ${'*'.repeat(cut.length - 9)}`]);
    }
  });

  it('is not found in what is no key', () => {
    for (const text of ['', 'sk-kimi-***', KEY.slice(0, -1), KEY.toUpperCase(), 'x'.repeat(10_000)]) {
      expect(maskKey(text, KEY)).toBeNull();
    }
    expect(maskKey('anything', '')).toBeNull();
  });

  it.each(['\\', 's', 'sk-kimi-', '%', '&#', '%25', '\\u0073', '\r\n', '\0', 'c2stA'])(
    'takes bounded time for a megabyte of %j',
    (piece) => {
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      const before = process.cpuUsage();
      maskKey(text, KEY, { isCut: true });
      expect(process.cpuUsage(before).user / 1000).toBeLessThan(2_000);
    },
  );
});
