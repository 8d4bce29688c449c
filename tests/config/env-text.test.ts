import { parse } from 'dotenv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quote, setEnvVariable, unsetEnvVariable } from '../../src/config/env-text.ts';

const set = (text: string, value = '0') => setEnvVariable(text, 'KMI_DRY_RUN', value);

describe('a variable that is there', () => {
  it.each([
    ['KMI_DRY_RUN=1\n', 'KMI_DRY_RUN=0\n'],
    ['KMI_DRY_RUN=1', 'KMI_DRY_RUN=0'],
    ['A=1\r\nKMI_DRY_RUN=1\r\nB=2', 'A=1\r\nKMI_DRY_RUN=0\r\nB=2'],
    ['  export KMI_DRY_RUN =  1   # why\n', '  export KMI_DRY_RUN =  0   # why\n'],
    ['KMI_DRY_RUN="1" # quoted\n', 'KMI_DRY_RUN=0 # quoted\n'],
    ["KMI_DRY_RUN='a # b'#c\n", 'KMI_DRY_RUN=0 #c\n'],
    ['KMI_DRY_RUN: 1\n', 'KMI_DRY_RUN: 0\n'],
    ['KMI_DRY_RUN=\n', 'KMI_DRY_RUN=0\n'],
    ['KMI_DRY_RUN=# nothing\n', 'KMI_DRY_RUN=0 # nothing\n'],
    ['\uFEFFKMI_DRY_RUN=1\n', '\uFEFFKMI_DRY_RUN=0\n'],
    ['MY_KMI_DRY_RUN=1\nKMI_DRY_RUN=1\n', 'MY_KMI_DRY_RUN=1\nKMI_DRY_RUN=0\n'],
    ['#KMI_DRY_RUN=7\nKMI_DRY_RUN=1\nKMI_DRY_RUN=yes\n', '#KMI_DRY_RUN=7\nKMI_DRY_RUN=1\nKMI_DRY_RUN=0\n'],
  ])('changes in its line alone: %j', (before, after) => {
    expect(set(before)).toBe(after);
  });

  it('that already has the value is left as it is written', () => {
    expect(set('KMI_DRY_RUN = "0"  # mine')).toBe('KMI_DRY_RUN = "0"  # mine');
  });

  it('whose value spans lines is not touched', () => {
    expect(set('KMI_DRY_RUN="1\n2"\nB=1\n')).toBeNull();
  });
});

describe('a variable that is not there', () => {
  it.each([
    ['', 'KMI_DRY_RUN=0\n'],
    ['A=1', 'A=1\nKMI_DRY_RUN=0\n'],
    ['A=1\r\n', 'A=1\r\nKMI_DRY_RUN=0\r\n'],
    ['# simulate\n#KMI_DRY_RUN=1\n\nB=2\n', '# simulate\n#KMI_DRY_RUN=1\nKMI_DRY_RUN=0\n\nB=2\n'],
    ['B=2\n# KMI_DRY_RUN=1', 'B=2\n# KMI_DRY_RUN=1\nKMI_DRY_RUN=0\n'],
  ])('goes below its comment or to the end: %j', (before, after) => {
    expect(set(before)).toBe(after);
  });

  it('never goes into the quotes of another value', () => {
    expect(set('A="1\n#KMI_DRY_RUN=1\n2"\n')).toBeNull();
  });
});

const name = fc.constantFrom('KMI_DRY_RUN', 'A', 'KMI_API_KEY', 'EMAIL', 'KMI_DRY_RUN2');
const line = fc.oneof(
  fc
    .tuple(fc.constantFrom('', ' ', 'export '), name, fc.constantFrom('=', ' = ', ': '), fc.string({ maxLength: 8 }))
    .map((parts) => parts.join('')),
  fc.constantFrom('', '   ', '# a comment', '#KMI_DRY_RUN=1', 'A="x', 'y"', "B='q", "'", 'C=`', '\uFEFF'),
  fc.string({ maxLength: 12 }),
);
const file = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r', '\n\n', '')), { maxLength: 8 })
  .map((lines) => lines.flat().join(''));

describe('a variable that is taken out', () => {
  it.each([
    ['KMI_DRY_RUN=1\n', ''],
    ['A=1\r\nKMI_DRY_RUN=1\r\nB=2', 'A=1\r\nB=2'],
    ['A=1\nKMI_DRY_RUN=1', 'A=1\n'],
    ['  export KMI_DRY_RUN =  "1"   # why\n# stays\n', '# stays\n'],
    ['\uFEFFKMI_DRY_RUN=1\nA=1\n', '\uFEFFA=1\n'],
    ['#KMI_DRY_RUN=7\nKMI_DRY_RUN: 1\nMY_KMI_DRY_RUN=1\nKMI_DRY_RUN=\n', '#KMI_DRY_RUN=7\nMY_KMI_DRY_RUN=1\n'],
    ['A=1\n#KMI_DRY_RUN=7\n', 'A=1\n#KMI_DRY_RUN=7\n'],
  ])('goes with each of its lines, and nothing else: %j', (before, after) => {
    expect(unsetEnvVariable(before, 'KMI_DRY_RUN')).toBe(after);
  });

  it.each(['KMI_DRY_RUN="1\n2"\nB=1\n', 'KMI_DRY_RUN="1\n2"\nKMI_DRY_RUN=3\n', 'A="1\nKMI_DRY_RUN=1\n2"\nKMI_DRY_RUN=1\n'])(
    'stays where more would have to be touched: %j',
    (text) => {
      expect(unsetEnvVariable(text, 'KMI_DRY_RUN')).toBeNull();
    },
  );
});

it('whatever the file, a variable goes and every other keeps its value', () => {
  fc.assert(
    fc.property(file, (text) => {
      const edited = unsetEnvVariable(text, 'KMI_DRY_RUN');
      if (edited === null) return;
      const { KMI_DRY_RUN: _gone, ...others } = parse(text);
      expect(parse(edited)).toEqual(others);
      expect(edited.length).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 500 },
  );
});

it('whatever the file, only one line differs and every other variable keeps its value', () => {
  fc.assert(
    fc.property(file, fc.constantFrom('0', 'some-label', "it's me", 'a b #c'), (text, value) => {
      const edited = set(text, value);
      if (edited === null) return;
      expect(parse(edited).KMI_DRY_RUN).toBe(value);
      expect({ ...parse(edited), KMI_DRY_RUN: '' }).toEqual({ ...parse(text), KMI_DRY_RUN: '' });
      // What was kept at both ends leaves at most one line between.
      let head = 0;
      while (head < text.length && text[head] === edited[head]) head += 1;
      let tail = 0;
      while (tail < text.length - head && tail < edited.length - head && text.at(-1 - tail) === edited.at(-1 - tail)) tail += 1;
      expect(text.slice(head, text.length - tail)).not.toMatch(/[\r\n]./s);
    }),
    { numRuns: 500 },
  );
});

it('values are quoted only where they must be, and read back as they were', () => {
  expect(quote('sk-kimi-abc_1')).toBe('sk-kimi-abc_1');
  expect(quote('a\nb')).toBeNull();
  fc.assert(
    fc.property(fc.string(), (value) => {
      const written = quote(value.trim());
      if (written !== null) expect(parse(`X=${written}\n`).X).toBe(value.trim());
    }),
  );
});
