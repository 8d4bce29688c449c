import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { load, loadFiles, put, temporaryFolder } from './auth-folder-fixture.ts';

const KEY = 'KMI_API_KEY=sk-kimi-aaaaaaaaaaaaaaaaaaaa\n';

test.each([
  ['work.env.txt', KEY, 'work.env'],
  ['work.ENV.TXT', KEY, 'work.ENV'],
  ['work', KEY, 'work.env'],
  ['work.env~', KEY, 'work.env'],
  ['#work.env#', KEY, 'work.env'],
  ['work.env.old', KEY, 'work.env'],
  ['work.env.bak2', KEY, 'work.env'],
  ['.env.work', KEY, 'work.env'],
  ['work.yaml', 'providers:\n', null],
  ['work.yml', 'api_key: x\n', null],
  ['kimi.txt', 'sk-kimi-aaaaaaaaaaaaaaaaaaaa\n', null],
  ['kimi.key', KEY, null],
  ['alice/work.env.txt', KEY, 'work.env'],
  ['work.txt', Buffer.from(`\uFEFF${KEY}`, 'utf16le'), null],
])('%s is named', async (name, content, better) => {
  const { keys, skipped } = await loadFiles({ [name]: content });
  expect([keys, skipped.map(({ file, reason }) => [basename(file), reason])]).toEqual([[], [[basename(name), 'not_read']]]);
  const hint = better === null ? '' : ` Name it ${better}.`;
  expect(skipped[0]?.detail).toBe(`It is not read: the name must end in .env, .toml or .json.${hint}`);
});

test.each(['.work.env', '.ENV', 'WORK.Env', 'work.env.bak', 'a/work.env'])('%s is read', async (name) => {
  const { keys, skipped } = await loadFiles({ [name]: KEY });
  expect([keys.length, skipped]).toEqual([1, []]);
});

test.each([
  ...[
    'README.md',
    'readme.txt',
    'LICENSE',
    'notes.txt',
    '.gitignore',
    '.DS_Store',
    'Thumbs.db',
    'work.env.example',
    '.env.sample',
  ],
  ...['work.env.removed-20261124T101500Z', 'work.env.removed-20261124T101500Z-2', 'work.env.4711.0123456789ab.tmp'],
  ...['._work.env', '.#work.env', 'config.toml.kmi-backup', '.git/config'],
])('%s is let be, whatever it holds', async (name) => {
  expect((await loadFiles({ [name]: KEY })).skipped).toEqual([]);
});

test('a file that holds no key and is named like none is let be', async () => {
  expect((await loadFiles({ 'shopping.txt': 'milk', todo: 'renew the plan' })).skipped).toEqual([]);
});

test("an editor's copy of a file that is read is not named, and no name is proposed that is taken", async () => {
  const { keys, skipped } = await loadFiles({ 'work.env': KEY, 'work.env~': KEY, '.work.env.swp': 'b0VIM', 'work.env.txt': KEY });
  expect(keys).toHaveLength(1);
  expect(skipped.map(({ file, detail }) => [basename(file), detail])).toEqual([
    ['work.env.txt', 'It is not read: the name must end in .env, .toml or .json.'],
  ]);
});

test('a folder too deep is named when it holds auth files, and let be when not', async () => {
  const folder = await temporaryFolder();
  await put(folder, 'a/b/work.env', KEY);
  await put(folder, 'a/pictures/cat.png', 'x');
  await put(folder, 'a/.git/config.toml', 'x');
  const { skipped } = await load(folder);
  expect(skipped).toMatchObject([{ file: join(folder, 'a', 'b'), reason: 'not_read' }]);
});
