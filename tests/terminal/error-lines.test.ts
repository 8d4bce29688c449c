import { expect, it } from 'vitest';
import { renderError } from '../../src/cli/ui/error-lines.ts';

it.each([40, 60, 80, 120])('an error keeps to %i columns, wrapped at blanks under its beginning', (columns) => {
  const message =
    'The proxy cannot start. There are no keys in ~/.kmi/_auths, and none of the files there can be read by this user.';
  const lines = renderError(message, 'Add one with `kmi keys add`, or set kmi up with `kmi up`, which asks for it.', columns);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  expect(lines[0]).toMatch(/^kmi: The proxy/);
  for (const line of lines.slice(1)) expect(line).toMatch(/^ {5}\S/);
  expect(lines.map((line) => line.trim()).join(' ')).toContain(message);
});

it('lines of a message stay lines, and without a width nothing is wrapped', () => {
  expect(renderError('Two:\n  one\n  two', 'Do it.', Number.POSITIVE_INFINITY)).toEqual([
    'kmi: Two:',
    '  one',
    '  two',
    '     Do it.',
  ]);
});
