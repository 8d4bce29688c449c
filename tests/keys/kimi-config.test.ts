import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { kimiConfigPaths, writeKimiConfig } from '../../src/keys/kimi-config.ts';
import { put, temporaryFolder, UPSTREAM } from './auth-folder-fixture.ts';

const CONFIG = (key: string) =>
  `# keep me\r\n[providers."managed:kimi-code"]\r\napi_key = "${key}"\r\nbase_url = "${UPSTREAM}"\r\n`;
const KEY = { value: 'sk-new', baseUrl: UPSTREAM };

const onPosix = test.skipIf(process.platform === 'win32');

test('the two clients keep their configs where their variables say, else in the home folder', () => {
  expect(kimiConfigPaths({ HOME: '/home/x' }).map(({ path }) => path)).toEqual([
    join('/home/x', '.kimi', 'config.toml'),
    join('/home/x', '.kimi-code', 'config.toml'),
  ]);
  expect(kimiConfigPaths({ HOME: '/home/x', KIMI_SHARE_DIR: '/a', KIMI_CODE_HOME: '/b' })).toEqual([
    { client: 'kimi-cli', path: join('/a', 'config.toml') },
    { client: 'kimi-code', path: join('/b', 'config.toml') },
  ]);
});

test('a key is written with a backup beside it, and nothing else is left behind', async () => {
  const folder = await temporaryFolder();
  const path = await put(folder, 'config.toml', CONFIG('sk-old'));
  const result = await writeKimiConfig(path, KEY);
  expect(result).toEqual({
    kind: 'written',
    file: path,
    provider: 'managed:kimi-code',
    changed: ['api_key'],
    backup: `${path}.kmi-backup`,
    hasOauth: false,
  });
  expect(await readFile(path, 'utf8')).toBe(CONFIG('sk-new'));
  expect(await readFile(`${path}.kmi-backup`, 'utf8')).toBe(CONFIG('sk-old'));
  expect((await readdir(folder)).sort()).toEqual(['config.toml', 'config.toml.kmi-backup']);
});

test('the first backup, which holds the own credentials, is kept', async () => {
  const path = await put(await temporaryFolder(), 'config.toml', CONFIG('sk-own'));
  await writeKimiConfig(path, KEY);
  await writeKimiConfig(path, { ...KEY, value: 'sk-newer' });
  expect(await readFile(path, 'utf8')).toBe(CONFIG('sk-newer'));
  expect(await readFile(`${path}.kmi-backup`, 'utf8')).toBe(CONFIG('sk-own'));
});

test('a config that says so already is not touched', async () => {
  const folder = await temporaryFolder();
  const path = await put(folder, 'config.toml', CONFIG('sk-new'));
  const before = await stat(path);
  expect(await writeKimiConfig(path, KEY)).toMatchObject({ kind: 'unchanged', provider: 'managed:kimi-code' });
  expect((await stat(path)).ino).toBe(before.ino);
  expect(await readdir(folder)).toEqual(['config.toml']);
});

test.each([
  ['broken TOML', '[providers.x]\napi_key = "sk-secret', /not valid TOML \(line 2/],
  ['no provider', 'a = 1\n', /no Kimi provider/],
  ['no text', Uint8Array.of(0x61, 0xff), /UTF-8/],
  ['too much', `#${'x'.repeat(1024 * 1024)}`, /1 MiB/],
])('a config with %s is left alone with a message', async (_what, content, problem) => {
  const folder = await temporaryFolder();
  const path = await put(folder, 'config.toml', content);
  const result = await writeKimiConfig(path, KEY);
  expect(result).toEqual({ kind: 'left_alone', file: path, problem: expect.stringMatching(problem) });
  expect(JSON.stringify(result)).not.toContain('sk-secret');
  expect((await readFile(path)).equals(Buffer.from(content))).toBe(true);
  expect(await readdir(folder)).toEqual(['config.toml']);
});

test('a missing config is not created', async () => {
  const path = join(await temporaryFolder(), 'config.toml');
  expect(await writeKimiConfig(path, KEY)).toEqual({ kind: 'missing', file: path });
  await expect(stat(path)).rejects.toThrow('ENOENT');
});

test('a folder in place of the config is left alone', async () => {
  const path = join(await temporaryFolder(), 'config.toml');
  await mkdir(path);
  expect(await writeKimiConfig(path, KEY)).toMatchObject({ kind: 'left_alone', problem: 'It is not a regular file.' });
});

onPosix('config and backup get mode 600, and a stricter mode stays', async () => {
  const path = await put(await temporaryFolder(), 'config.toml', CONFIG('sk-old'));
  const modes = async () => [(await stat(path)).mode & 0o777, (await stat(`${path}.kmi-backup`)).mode & 0o777];
  await chmod(path, 0o644);
  await writeKimiConfig(path, KEY);
  expect(await modes()).toEqual([0o600, 0o600]);
  await chmod(path, 0o400);
  await writeKimiConfig(path, { ...KEY, value: 'sk-newer' });
  expect(await modes()).toEqual([0o400, 0o600]);
});

onPosix('a symbolic link stays one: the file it names is written, the backup stands beside the link', async () => {
  const folder = await temporaryFolder();
  const elsewhere = await temporaryFolder();
  const target = await put(elsewhere, 'kimi.toml', CONFIG('sk-old'));
  const path = join(folder, 'config.toml');
  await symlink(target, path);
  expect(await writeKimiConfig(path, KEY)).toMatchObject({ kind: 'written', file: target, backup: `${path}.kmi-backup` });
  expect(await readlink(path)).toBe(target);
  expect((await lstat(target)).isFile()).toBe(true);
  expect(await readFile(target, 'utf8')).toBe(CONFIG('sk-new'));
  expect(await readdir(elsewhere)).toEqual(['kimi.toml']);
});

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
  'a folder without permission is a message, not a throw',
  async () => {
    const folder = await temporaryFolder();
    const path = await put(folder, 'config.toml', CONFIG('sk-old'));
    await chmod(folder, 0o500);
    expect(await writeKimiConfig(path, KEY)).toMatchObject({
      kind: 'left_alone',
      problem: 'The file cannot be written (EACCES).',
    });
    await chmod(folder, 0o700);
  },
);

test('a config that points at this proxy is left as it is', async () => {
  const text = '[providers.kmi]\napi_key = "token"\nbase_url = "http://localhost:54123/kmi-rotor/v1"\n';
  const path = await put(await temporaryFolder(), 'config.toml', text);
  const proxyUrl = 'http://127.0.0.1:54123/kmi-rotor/v1';
  expect(await writeKimiConfig(path, KEY, { proxyUrl })).toEqual({ kind: 'through_proxy', file: path, provider: 'kmi' });
  expect(await readFile(path, 'utf8')).toBe(text);
  expect(await writeKimiConfig(path, KEY, { proxyUrl: 'http://127.0.0.1:1/v1' })).toHaveProperty('kind', 'written');
});

test('the token of a login is never written: it would end there, unrenewed', async () => {
  const folder = await temporaryFolder();
  const path = await put(folder, 'config.toml', CONFIG('sk-old'));
  const login = { id: '1a2b3c4d', kind: 'own', expiresAt: null, lifeMs: null, isOver: false } as const;
  const key = { value: 'eyJ.access.token', baseUrl: UPSTREAM, login };
  expect(await writeKimiConfig(path, key)).toEqual({
    kind: 'left_alone',
    file: path,
    problem: 'The active key is a login, which has no API key.',
  });
  expect(await readFile(path, 'utf8')).toBe(CONFIG('sk-old'));
  expect(await readdir(folder)).toEqual(['config.toml']);
  expect(await writeKimiConfig(path, key, { proxyUrl: UPSTREAM })).toMatchObject({ kind: 'through_proxy' });
  expect(await writeKimiConfig(join(folder, 'none.toml'), key)).toMatchObject({ kind: 'missing' });
});

test('many writers at once leave a whole config with one of their keys, and the backup of before', async () => {
  const folder = await temporaryFolder();
  const path = await put(folder, 'config.toml', CONFIG('sk-own'));
  const values = Array.from({ length: 8 }, (_, index) => `sk-${index}`);
  await Promise.all(values.map((value) => writeKimiConfig(path, { ...KEY, value })));
  expect(values.map(CONFIG)).toContain(await readFile(path, 'utf8'));
  expect((await readdir(folder)).sort()).toEqual(['config.toml', 'config.toml.kmi-backup']);
  expect(await readFile(`${path}.kmi-backup`, 'utf8')).toBe(CONFIG('sk-own'));
});

test('a chosen provider is written, and only that one', async () => {
  const text = (key: string) => `[providers.a]\napi_key = "sk-a"\n[providers.b]\napi_key = "${key}"\n`;
  const path = await put(await temporaryFolder(), 'config.toml', text('sk-b'));
  expect(await writeKimiConfig(path, KEY, { provider: 'b' })).toMatchObject({ kind: 'written', provider: 'b' });
  expect(await readFile(path, 'utf8')).toBe(text('sk-new'));
});
