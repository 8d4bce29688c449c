import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemberScanner, type ScannedMember } from '../../../src/core/json/member-scanner.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { cutInPieces } from '../../support/pieces.ts';

const OBJECT: ScannedMember = { name: 'usage', kind: 'object', maxBytes: 200 };

function scan(pieces: readonly Buffer[], member = OBJECT): string[] {
  const found: string[] = [];
  const scanner = new MemberScanner(member, (json) => found.push(json));
  for (const piece of pieces) scanner.take(piece);
  return found;
}

const scanText = (text: string, member = OBJECT) => scan([Buffer.from(text)], member);

it.each([
  ['a member', '{"usage":{"a":1}}', ['{"a":1}']],
  ['white space around the colon', '{"usage" \r\n : \t{"a":1}}', ['{"a":1}']],
  [
    'braces and quotes inside strings',
    String.raw`{"usage":{"a":"}\"{\\","b":[{}]},"c":1}`,
    [String.raw`{"a":"}\"{\\","b":[{}]}`],
  ],
  ['two members', '{"usage":{}}\n{"usage":{"b":2}}', ['{}', '{"b":2}']],
  ['null, then an object', '{"usage":null}{"usage":{"a":1}}', ['{"a":1}']],
  ['the name as a value', '{"x":"usage","usage":{"a":1}}', ['{"a":1}']],
  ['the name twice', '"usage""usage":{"a":1}', ['{"a":1}']],
  ['a longer name', '{"my_usage":{"a":1},"x usage":{},"usages":{}}', []],
  ['the same inside a string', String.raw`{"text":"{\"usage\":{\"a\":1}}"}`, []],
  ['no quote before', 'usage":{"a":1}', []],
  ['one that is too long, and one behind it', `"usage":{"a":"${'x'.repeat(300)}"},"usage":{"b":1}`, ['{"b":1}']],
  ['one without an end', '"usage":{"a":1', []],
])('%s', (_, text, expected) => {
  expect(scanText(text)).toEqual(expected);
  // Byte by byte, every place is a border.
  expect(scan([...Buffer.from(text)].map((byte) => Buffer.from([byte])))).toEqual(expected);
});

it('reads strings too, escapes and all', () => {
  const model: ScannedMember = { name: 'model', kind: 'string', maxBytes: 40 };
  expect(scanText(String.raw`{"model":{"x":1},"model": "k\"3"}`, model)).toEqual([String.raw`"k\"3"`]);
});

it('any cutting of the same bytes finds the same', () => {
  const part = fc.constantFrom(
    '"usage"',
    '"usage":',
    '{',
    '}',
    '"',
    '\\',
    ':',
    ' ',
    '\n',
    'u',
    'usage"',
    '"usage":{"a":"é😀"}',
    'x'.repeat(90),
  );
  fc.assert(
    fc.property(fc.array(part), fc.array(fc.nat({ max: 12 })), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''));
      expect(scan(cutInPieces(bytes, cuts))).toEqual(scan([bytes]));
    }),
    { numRuns: 2000 },
  );
});

it('its work grows with the bytes, not faster: what opens and never closes costs no more', async () => {
  const bytes = Buffer.from('{"usage":'.repeat(200_000));
  const ms = await cpuMs(() => {
    expect(scan([bytes])).toEqual([]);
    for (let at = 0; at < bytes.length; at += 1024) scan([bytes.subarray(at, at + 1024)]);
  });
  // 1.8 MB twice take some 20 ms; reading each opened object to the end would take minutes.
  expect(ms).toBeLessThan(3000);
});
