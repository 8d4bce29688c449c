import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';

const changelog = readFileSync(resolve(import.meta.dirname, '../../CHANGELOG.md'), 'utf8');

/** As a whole word of running text: `kmi stop`, `keys ls`, or a verb ("`kmi keys` lists, adds, removes"). */
const isNamed = (name: string) => new RegExp(`(?<![\\w-])${name.split(' ').at(-1)}s?(?![\\w-])`).test(changelog);

test('the changelog names every command and every other name of one', () => {
  const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(names.filter((name) => !isNamed(name))).toEqual([]);
  expect(isNamed('nosuchcommand')).toBe(false);
});

test.each([
  ['commands that start the proxy themselves', /`kmi kimi` and `kmi run` start the proxy/],
  ['the line for each request', /foreground proxy prints a line for each request/],
  ['notices', /`KMI_NOTIFY` tells you/],
  ['plain words in the client', /message in the client says in plain words/],
  ['the new default of KMI_WRITE_CONFIG', /`KMI_WRITE_CONFIG=1`; the default is 0/],
])('the changelog tells of %s', (_, text) => {
  expect(changelog.replaceAll(/\s+/g, ' ')).toMatch(text);
});
