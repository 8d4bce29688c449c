import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type InputEvent, InputReader } from '../../src/cli/ui/key-input.ts';

/** Text events that follow each other are one. */
function read(pieces: readonly string[]): (InputEvent | string)[] {
  const reader = new InputReader();
  const events = pieces.flatMap((piece) => reader.read(piece));
  const joined: (InputEvent | string)[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (event.kind === 'text' && typeof last === 'string') joined[joined.length - 1] = last + event.text;
    else joined.push(event.kind === 'text' ? event.text : event);
  }
  return joined;
}

it.each<[string, (InputEvent | string)[]]>([
  ['abc\r', ['abc', { kind: 'enter' }]],
  ['a\r\nb\n', ['a', { kind: 'enter' }, 'b', { kind: 'enter' }]],
  ['ab\u007f\u0017\u0015', ['ab', { kind: 'erase' }, { kind: 'erase_word' }, { kind: 'erase_line' }]],
  ['\u0003\u0004\u001a', [{ kind: 'interrupt' }, { kind: 'end' }, { kind: 'suspend' }]],
  ['a\u001b[A\u001bOB\u001b[1;5Cb\t\u0000', ['ab']],
  ['\u001b[200~sk-1\r\nsk-2\n\u001b[201~\r', ['sk-1 sk-2 ', { kind: 'enter' }]],
  ['\u001b[200~\u0003\u001b[31m\u001b[201~x', [' [31mx']],
  ['Grüße 张', ['Grüße 张']],
])('%j is understood', (input, expected) => {
  // Control characters of a paste become one blank each run.
  expect(read([input])).toEqual(expected);
});

it('it does not matter where the input is cut', () => {
  const part = fc.constantFrom(
    '\u001b[200~',
    '\u001b[201~',
    '\u001b[A',
    '\u001bOP',
    '\r',
    '\n',
    'sk-kimi',
    '\u0003',
    '\u007f',
    '\u001b',
    '[',
    '~',
    'x',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 8 }), (parts, cuts) => {
      const input = parts.join('');
      const places = [...new Set([0, ...cuts.filter((cut) => cut < input.length), input.length])].toSorted((a, b) => a - b);
      const pieces = places.slice(1).map((end, n) => input.slice(places[n], end));
      expect(read(pieces).filter((event) => typeof event !== 'string')).toEqual(
        read([input]).filter((event) => typeof event !== 'string'),
      );
      expect(textOf(read(pieces))).toBe(textOf(read([input])));
    }),
    { numRuns: 1000 },
  );
});

function textOf(events: readonly (InputEvent | string)[]): string {
  return events
    .filter((event) => typeof event === 'string')
    .join('')
    .replace(/ +/g, ' ');
}
