import { expect, it } from 'vitest';
import { windowsCommand } from '../../src/launch/windows-command.ts';

it('a program is started as it is', () => {
  const args = ['-p', 'a "b"'];
  expect(windowsCommand('C:\\bin\\kimi.exe', args)).toEqual({ file: 'C:\\bin\\kimi.exe', args, verbatim: false });
});

it.each([
  ['plain', '^^^"plain^^^"'],
  ['a b', '^^^"a^^^ b^^^"'],
  ['say "hi"', '^^^"say^^^ \\^^^"hi\\^^^"^^^"'],
  ['ends in \\', '^^^"ends^^^ in^^^ \\\\^^^"'],
  ['%PATH% & del', '^^^"^^^%PATH^^^%^^^ ^^^&^^^ del^^^"'],
])('a batch file is started by cmd.exe, with %s kept from it', (arg, expected) => {
  expect(windowsCommand('C:\\My Tools\\kimi.CMD', [arg], 'C:\\cmd.exe')).toEqual({
    file: 'C:\\cmd.exe',
    args: ['/d', '/s', '/c', `"C:\\My^ Tools\\kimi.CMD ${expected}"`],
    verbatim: true,
  });
});
