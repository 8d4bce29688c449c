import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldUsage, groupUsage, type RowNames, totalUsage, type UsageRow } from '../../src/core/tokens/usage-row.ts';
import { DayUsage } from '../../src/usage/day-usage.ts';
import { parseUsageLine, renderUsageLine } from '../../src/usage/usage-line.ts';

const DAY = '2026-02-02';
const TOKENS = { input: 10, cached: 5, output: 2, reasoning: 1 };

/** What the day's file would be: every write makes a new version of it. */
class File {
  text = '';
  #version = 0;

  get version(): string {
    return `v${this.#version}`;
  }

  write(text: string): void {
    this.text = text;
    this.#version += 1;
  }

  rows(): UsageRow[] {
    return this.text.split('\n').flatMap((line) => parseUsageLine(line, DAY) ?? []);
  }
}

function save(book: DayUsage, file: File, works: boolean, meanwhile: () => void): void {
  const lines = book.take();
  meanwhile();
  if (!works) {
    book.notSaved();
    return;
  }
  const before = file.text === '' ? null : file.version;
  file.write(file.text + lines);
  book.saved(before, file.version);
}

function sumsOf(rows: readonly UsageRow[]): string[] {
  return foldUsage(rows, { sessions: 1000, models: 1000 }).map(renderUsageLine).sort();
}

const names: fc.Arbitrary<RowNames> = fc.record({
  day: fc.constant(DAY),
  key: fc.constantFrom('ada', 'ben', '"\\'),
  account: fc.constantFrom(null, 'u1'),
  model: fc.constantFrom(null, 'k3'),
  session: fc.constantFrom(null, 'a', 'b', 'c', '__proto__'),
});

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add'), names }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('save', 'fail', 'save-late', 'fail-late'), names }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('compact', 'compact', 'compact-forget'), names }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('foreign', 'forget', 'empty'), names }) },
);

it('whatever happens, nothing is lost or counted twice, and what memory says of the file is what the file says', () => {
  let fromMemory = 0;
  let unfolded = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 4 }), (steps, sessions) => {
      const book = new DayUsage(DAY);
      const file = new File();
      let recorded = 0;
      const add = (row: RowNames) => {
        book.add(row, 1, TOKENS);
        recorded += 1;
      };
      for (const { kind, names } of steps) {
        if (kind === 'add') add(names);
        else if (kind === 'foreign') {
          file.write(file.text + renderUsageLine({ ...names, requests: 1, tokens: TOKENS }));
          recorded += 1;
        } else if (kind === 'forget') book.forgetIdle();
        else if (kind === 'empty') {
          recorded -= totalUsage(file.rows()).requests;
          file.write('');
        } else if (kind.startsWith('compact')) {
          const known = book.rowsOf(file.version);
          if (known !== null) {
            fromMemory += 1;
            expect(sumsOf(known)).toEqual(sumsOf(file.rows()));
          }
          const isWithin = book.isWithin({ sessions, models: 9 }, file.version);
          if (!isWithin) book.refill(foldUsage(known ?? file.rows(), { sessions, models: 9 }));
          const compact = sumsOf(foldUsage(file.rows(), { sessions, models: 9 }));
          file.write(book.savedLines());
          // Memory may run full while the file is being replaced.
          if (kind === 'compact-forget') book.forgetIdle();
          book.rewritten(file.version);
          expect(file.rows().map(renderUsageLine).sort()).toEqual(compact);
          unfolded += Number(isWithin);
        } else save(book, file, kind.startsWith('save'), () => (kind.endsWith('late') ? add(names) : undefined));
      }
      save(book, file, true, () => undefined);
      const total = totalUsage(file.rows());
      expect(total.requests).toBe(recorded);
      expect(total.tokens.input).toBe(10 * recorded);
      expect(book.openSize).toBe(0);
    }),
    { numRuns: 2000 },
  );
  expect(fromMemory).toBeGreaterThan(100);
  expect(unfolded).toBeGreaterThan(50);
});

it('a row that comes again is the same row: memory does not grow with requests', () => {
  const book = new DayUsage(DAY);
  const file = new File();
  for (let n = 0; n < 1000; n++) {
    book.add({ day: DAY, key: `key${n % 10}`, account: null, model: 'k3', session: 's' }, 1, TOKENS);
    if (n % 7 === 0) save(book, file, true, () => undefined);
  }
  expect(book.size).toBe(10);
  book.forgetIdle();
  expect(book.size).toBe(book.openSize);
  expect(book.size).toBeLessThan(10);
});

it('what waits for the disk is kept when memory is cleared', () => {
  const book = new DayUsage(DAY);
  const file = new File();
  const row = { day: DAY, key: 'ada', account: null, model: null, session: null };
  book.add(row, 1, TOKENS);
  save(book, file, false, () => book.forgetIdle());
  expect(book.has(row)).toBe(true);
  save(book, file, true, () => undefined);
  expect(groupUsage(file.rows(), 'key')).toMatchObject([{ name: 'ada', requests: 1 }]);
});
