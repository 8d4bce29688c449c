import { expect, test } from 'vitest';
import { innerWidth, renderFields, renderSection } from '../../src/cli/ui/panel.ts';
import { renderTable } from '../../src/cli/ui/table.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { COLORED, PLAIN, UNCOLORED } from './fixture.ts';

test('columns line up whatever the script and the colour', () => {
  const rows = ['ada', '日本', 'ключ'].map((name) => [{ text: name, paint: COLORED.good }, 'x']);
  const lines = renderTable([{ title: 'NAME' }, {}], rows, { width: 40, style: COLORED });
  expect(lines.slice(1).map((line) => displayWidth(line))).toEqual([7, 7, 7]);
  expect(lines[1]).toBe(`${COLORED.good('ada')}   x`);
});

test('the column with most to spare is cut first, and never below its least width', () => {
  const columns = [{ shrinkTo: 6 }, { shrinkTo: 4 }, {}];
  const rows = [['a-very-long-label-indeed', 'mid-long', 'fixed']];
  expect(renderTable(columns, rows, { width: 30, style: UNCOLORED })).toEqual(['a-very-long-…  mid-long  fixed']);
  expect(renderTable(columns, rows, { width: 10, style: PLAIN })).toEqual(['a-v...  m...  fixed']);
});

test('a column that wraps goes on below itself', () => {
  const lines = renderTable([{}, { shrinkTo: 8, wrap: true }, {}], [['a', 'back in 2 h 10 min', 'z']], {
    width: 15,
    style: PLAIN,
  });
  expect(lines).toEqual(['a  back in 2  z', '   h 10 min']);
});

test('a table without rows is its titles', () => {
  expect(renderTable([{ title: 'KEY' }], [], { width: 10, style: PLAIN })).toEqual(['KEY']);
  expect(renderTable([{}], [], { width: 10, style: PLAIN })).toEqual([]);
});

test('a section is a title and indented lines, without a box', () => {
  expect(renderSection('Keys', ['日本語', ''], UNCOLORED)).toEqual(['Keys', '  日本語', '']);
});

test('long values of fields go on under themselves; one with a word that does not fit there stands below its name', () => {
  expect(
    renderFields(
      [
        { name: 'log', value: '/a/longpath' },
        { name: 'state', value: 'up for 3 days' },
      ],
      innerWidth(15),
      PLAIN,
    ),
  ).toEqual(['log', '  /a/longpath', 'state  up for', '       3 days']);
});
