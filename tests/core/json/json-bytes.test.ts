import fc from 'fast-check';
import { expect, it } from 'vitest';
import { endOfValue, kindAt, skipSpace, skipSpaceBack, startOfValue } from '../../../src/core/json/json-bytes.ts';
import { spanAt, textAt } from '../../../src/core/json/json-text.ts';
import {
  findName,
  findNameBack,
  Members,
  MembersBack,
  needleOf,
  nextItem,
  valueAfterKey,
} from '../../../src/core/json/members.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '}',
    ']',
    ',"a":',
    '{"a":1}',
    'é😀',
    `${'x'.repeat(63)}\\`,
    `${'x'.repeat(62)}"y`,
    'z'.repeat(200),
  ),
);
const names = fc.oneof(fc.constantFrom('a', 'text', 'role', ''), texts);
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    texts,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, true, false),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(names, tie('value'), { maxKeys: 4 }),
  ),
}));
const objects = fc.dictionary(names, values, { maxKeys: 6 });
const indents = fc.constantFrom(undefined, 1, '\t', '\n');
const NUM_RUNS = { numRuns: 2000 };

const bytesOf = (value: unknown, indent?: string | number) => Buffer.from(JSON.stringify(value, null, indent));
const parsed = (bytes: Buffer, from: number, to: number): unknown => JSON.parse(bytes.toString('utf8', from, to));
/** What JSON makes of a value, -0 and all. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function nameOf(members: Members | MembersBack, object: object): string | undefined {
  return Object.keys(object).find((name) => isAscii(name) && members.isNamed(JSON.stringify(name).slice(1, -1)));
}

const isAscii = (name: string) => /^[\x20-\x7e]*$/.test(name);
const asciiEntries = (object: object) =>
  Object.entries(object).map(([name, value]) => [isAscii(name) ? name : undefined, plain(value)]);

it('a value is found from its first byte, and from its last, whatever stands around it', () => {
  fc.assert(
    fc.property(values, indents, fc.constantFrom('', ' ', ',"b":1}', ']', ' \n}', '\t,'), (value, indent, behind) => {
      const json = bytesOf(value, indent);
      const bytes = Buffer.concat([Buffer.from('{"a": '), json, Buffer.from(behind)]);
      const last = 6 + json.length - 1;
      const start = startOfValue(bytes, last);
      expect(start).toBe(6);
      const end = endOfValue(bytes, start);
      // Whether a number or a word goes on is not known at the end of the bytes.
      if (end !== -1) expect(parsed(bytes, start, end)).toEqual(plain(value));
      else expect([kindAt(bytes, 6), behind.trim()]).toEqual(['other', '']);
    }),
    NUM_RUNS,
  );
});

it('a value that is cut off has no end, unless it is a number or a word', () => {
  fc.assert(
    fc.property(fc.oneof(texts, fc.array(values), objects), indents, fc.nat(), (value, indent, cut) => {
      const bytes = bytesOf(value, indent);
      const part = bytes.subarray(0, cut % bytes.length);
      expect(endOfValue(part, 0)).toBe(-1);
      // A part of the end may itself end in a whole value, but a whole one is never longer than what there is.
      expect(startOfValue(bytes, bytes.length - 1)).toBe(0);
    }),
    NUM_RUNS,
  );
});

it('the members of an object are those that JSON.parse gives, from the front and from the back', () => {
  fc.assert(
    fc.property(objects, indents, (object, indent) => {
      const bytes = Buffer.concat([Buffer.from(' '), bytesOf(object, indent), Buffer.from('\n')]);
      const open = skipSpace(bytes, 0);
      const close = skipSpaceBack(bytes, bytes.length - 1);
      const forward: unknown[] = [];
      const members = new Members(bytes, open);
      while (members.next())
        forward.push([nameOf(members, object), parsed(bytes, members.value, endOfValue(bytes, members.value))]);
      expect(forward).toEqual(asciiEntries(object));
      expect(members.end).toBe(close + 1);
      const backward: unknown[] = [];
      const back = new MembersBack(bytes, close);
      while (back.next()) backward.push([nameOf(back, object), parsed(bytes, back.value, back.last + 1)]);
      expect(backward.reverse()).toEqual(asciiEntries(object));
    }),
    NUM_RUNS,
  );
});

it('an object that is cut off gives the members before the cut, and no end', () => {
  fc.assert(
    fc.property(objects, indents, fc.nat(), (object, indent, cut) => {
      const bytes = bytesOf(object, indent);
      const part = bytes.subarray(0, cut % bytes.length);
      const members = new Members(part, 0);
      const whole: unknown[] = [];
      while (members.next()) {
        const end = endOfValue(part, members.value);
        if (end !== -1 && end < part.length) whole.push(parsed(part, members.value, end));
      }
      expect(members.end).toBe(-1);
      expect(whole).toEqual(Object.values(object).map(plain).slice(0, whole.length));
    }),
    NUM_RUNS,
  );
});

it('the items of an array are those that JSON.parse gives', () => {
  fc.assert(
    fc.property(fc.array(values), indents, (array, indent) => {
      const bytes = bytesOf(array, indent);
      const items: unknown[] = [];
      for (let at = nextItem(bytes, 0); at !== -1 && at < bytes.length - 1; at = nextItem(bytes, endOfValue(bytes, at)))
        items.push(parsed(bytes, at, endOfValue(bytes, at)));
      expect(items).toEqual(plain(array));
    }),
    NUM_RUNS,
  );
});

it('a string has the text that JSON.parse gives, and spaces for its control characters', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = Buffer.from(`${JSON.stringify(text)} ,`);
      const span = spanAt(bytes, 0);
      expect(JSON.parse(`"${bytes.toString('utf8', span?.from, span?.to)}"`)).toBe(text);
      // A lone half of a character is written as an escape, and read as one.
      expect(textAt(bytes, 0, 10_000)).toBe(text.replace(/[\b\f\n\r\t]/g, ' '));
      expect(spanAt(bytes.subarray(0, span?.to), 0)).toBeNull();
      expect(spanAt(bytes, bytes.length - 1)).toBeNull();
    }),
    NUM_RUNS,
  );
});

it('a search finds each member of that name, at any depth, and nothing within a text', () => {
  const needle = needleOf('role');
  const found = (value: unknown): unknown[] => {
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([name, inner]) => [
      ...(name === 'role' && !Array.isArray(value) ? [plain(inner)] : []),
      ...found(inner),
    ]);
  };
  fc.assert(
    fc.property(fc.array(fc.oneof(values, objects)), indents, (value, indent) => {
      const bytes = bytesOf(value, indent);
      const forward: number[] = [];
      for (let at = findName(bytes, needle, 0); at !== -1; at = findName(bytes, needle, at)) forward.push(at);
      const backward: number[] = [];
      for (let at = findNameBack(bytes, needle, bytes.length); at !== -1; at = findNameBack(bytes, needle, at - needle.length))
        backward.unshift(at);
      expect(backward).toEqual(forward);
      const starts = forward.map((close) => valueAfterKey(bytes, close)).filter((at) => at !== -1);
      expect(starts.map((at) => parsed(bytes, at, endOfValue(bytes, at)))).toEqual(found(value));
    }),
    NUM_RUNS,
  );
});

it('bytes that are no JSON give an answer too, within the bytes', () => {
  const part = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', ' ', '\n', 'a', '"a":', '1', 'role"');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), fc.nat(), (parts, place) => {
      const bytes = Buffer.from(parts.join(''));
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      const needle = needleOf('role');
      const places = [
        endOfValue(bytes, at),
        startOfValue(bytes, at),
        nextItem(bytes, at),
        findName(bytes, needle, at),
        findNameBack(bytes, needle, at),
      ];
      for (const members of [new Members(bytes, at), new MembersBack(bytes, at)]) {
        for (let n = 0; members.next(); n++) {
          places.push(members.value);
          if (n > bytes.length) throw new Error('The members have no end.');
        }
      }
      for (const found of places) expect(found >= -1 && found <= bytes.length).toBe(true);
    }),
    { numRuns: 5000 },
  );
});
