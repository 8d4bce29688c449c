import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeText, encodeText, textOf } from '../../src/files/text-bytes.ts';

const TEXT = 'KMI_DRY_RUN=0\r\n# Schlüssel, ключ, 鍵, 🔑\n';

function utf16(text: string, order: 'le' | 'be', mark: boolean): Buffer {
  const bytes = Buffer.from(`${mark ? '\uFEFF' : ''}${text}`, 'utf16le');
  return order === 'le' ? bytes : bytes.swap16();
}

test.each([
  ['UTF-8', Buffer.from(TEXT)],
  ['UTF-8 with a mark', Buffer.from(`\uFEFF${TEXT}`)],
  ['UTF-16LE with a mark', utf16(TEXT, 'le', true)],
  ['UTF-16BE with a mark', utf16(TEXT, 'be', true)],
  ['UTF-16LE without a mark', utf16(TEXT, 'le', false)],
  ['UTF-16BE without a mark', utf16(TEXT, 'be', false)],
])('%s is read, and written back byte for byte', (_form, bytes) => {
  expect(textOf(bytes)).toBe(TEXT);
  const decoded = decodeText(bytes);
  expect(decoded && Buffer.from(encodeText(decoded.text, decoded.form)).equals(bytes)).toBe(true);
});

test.each([
  ['an older code page', Buffer.from('schl\xfcssel', 'latin1')],
  ['zeros, as after a crash', Buffer.alloc(64)],
  ['UTF-16 cut in the middle of a unit', utf16(TEXT, 'le', true).subarray(0, 9)],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x4b, 0, 0, 0])],
  ['a surrogate without its pair', Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00])],
  ['UTF-16 added to UTF-8', Buffer.concat([Buffer.from('KMI_LOCALE=ru\n'), utf16('KMI_DRY_RUN=0\r\n', 'le', false)])],
  ['UTF-8 added to UTF-16', Buffer.concat([utf16('KMI_LOCALE=ru\r\n', 'le', true), Buffer.from('KMI_DRY_RUN=0\n')])],
  ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d])],
])('%s is no text', (_what, bytes) => {
  expect(decodeText(bytes)).toBeNull();
});

test('Chinese in UTF-16 is not taken for a mixture', () => {
  const text = '# 月之暗面的密钥，请勿提交到仓库。中文注释不影响设置。\nKMI_LOCALE=ru\n';
  expect(textOf(utf16(text, 'le', true))).toBe(text);
  expect(textOf(utf16(text, 'be', false))).toBe(text);
});

test('an empty file is an empty text', () => {
  expect([textOf(Buffer.alloc(0)), textOf(Buffer.from([0xff, 0xfe])), textOf(Buffer.from([0xef, 0xbb, 0xbf]))]).toEqual([
    '',
    '',
    '',
  ]);
});

test('whatever is read can be written back as it was', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const decoded = decodeText(bytes);
      return decoded === null || Buffer.from(encodeText(decoded.text, decoded.form)).equals(bytes);
    }),
    { numRuns: 5000 },
  );
});
