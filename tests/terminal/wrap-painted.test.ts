import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { createStyle } from '../../src/cli/ui/style.ts';
import { displayWidth, wrapPainted } from '../../src/cli/ui/width.ts';

it.each([40, 60, 80, 120])('a text with a coloured beginning is wrapped at blanks to %i columns', (columns) => {
  const style = createStyle({ color: true, plain: false });
  const words = 'Simulated upstream: there are no keys in ~/.kmi/_auths, so three made-up accounts answer.';
  const painted = words.replace('Simulated upstream', style.warn('Simulated upstream'));
  const lines = wrapPainted(painted, columns);
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  expect(lines.map(stripVTControlCharacters).join(' ')).toBe(words);
  expect(lines[0]).toContain(style.warn('Simulated upstream'));
  for (const line of lines.slice(1)) expect(line).toBe(stripVTControlCharacters(line));
});
