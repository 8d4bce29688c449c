import { expect, test } from 'vitest';
import { isAsciiOnly } from '../../src/cli/ui/style.ts';

test.each([
  [{ LANG: 'C' }, true],
  [{ LANG: 'POSIX' }, true],
  [{ LANG: 'de_DE.ISO-8859-1' }, true],
  [{ LANG: 'C.UTF-8' }, false],
  [{ LANG: 'en_US.utf8' }, false],
  [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, true],
  [{ LANG: 'C', LC_CTYPE: 'en_US.UTF-8' }, false],
  [{ LANG: 'C', LC_ALL: '' }, true],
  [{}, false],
] as const)('with %j only ASCII is shown: %s', (environment, expected) => {
  expect(isAsciiOnly(environment)).toBe(expected);
});
