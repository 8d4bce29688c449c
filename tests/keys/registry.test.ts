import { spawnSync } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Key } from '../../src/core/keys/key.ts';
import { signFolder } from '../../src/keys/auth-folder.ts';
import { withUniqueLabels } from '../../src/keys/registry.ts';
import { load, loadFiles, put, temporaryFolder } from './auth-folder-fixture.ts';

const env = (key: string, more = '') => `KMI_API_KEY=${key}\n${more}`;

test('keys come by priority, high first, then by label without regard to case', async () => {
  const { keys, byLabel } = await loadFiles({
    'b.env': env('sk-b'),
    'A.env': env('sk-a'),
    'C.env': env('sk-c'),
    'z.env': env('sk-z', 'KMI_KEY_PRIORITY=5'),
    'low.env': env('sk-low', 'KMI_KEY_PRIORITY=-1'),
  });
  expect(keys.map(({ label }) => label)).toEqual(['z', 'A', 'b', 'C', 'low']);
  expect(byLabel.get('z')).toBe(keys[0]);
  expect(byLabel.size).toBe(5);
  expect(Object.isFrozen(keys)).toBe(true);
});

test('of files with one key the first in name order counts, and the others say which it was', async () => {
  const { keys, skipped } = await loadFiles({
    'a.env': env('sk-same'),
    'a.toml': '[providers.x]\napi_key = "sk-same"\n',
    'sub/0.env': env('sk-same', 'KMI_KEY_PRIORITY=9'),
  });
  expect(keys.map(({ source }) => source.slice(-5))).toEqual(['a.env']);
  expect(skipped.map(({ reason, detail }) => [reason, detail])).toEqual([
    ['duplicate_key', 'It holds the same key as a.env.'],
    ['duplicate_key', 'It holds the same key as a.env.'],
  ]);
});

test('two keys with one label both stay, and a changed priority does not swap their names', async () => {
  const folder = await temporaryFolder();
  await put(folder, '1.env', env('sk-1', 'KMI_KEY_LABEL=x'));
  await put(folder, '2.env', env('sk-2', 'KMI_KEY_LABEL=x'));
  await put(folder, '3.env', env('sk-3', 'KMI_KEY_LABEL=x-2'));
  const names = async () => Object.fromEntries((await load(folder)).keys.map(({ value, label }) => [value, label]));
  expect(await names()).toEqual({ 'sk-1': 'x', 'sk-2': 'x-3', 'sk-3': 'x-2' });
  await put(folder, '2.env', env('sk-2', 'KMI_KEY_LABEL=x\nKMI_KEY_PRIORITY=9'));
  expect(await names()).toEqual({ 'sk-1': 'x', 'sk-2': 'x-3', 'sk-3': 'x-2' });
});

test('labels are always unique, and the first holder of a label keeps it', () => {
  const label: fc.Arbitrary<string> = fc.constantFrom('x', 'x-2', 'x-3', 'x-2-2', 'y');
  fc.assert(
    fc.property(fc.array(label), (labels) => {
      const named = withUniqueLabels(labels.map((label, index) => ({ label, value: String(index) }) as Key));
      expect(new Set(named.map((key) => key.label)).size).toBe(labels.length);
      named.forEach((key, index) => {
        expect(key.value).toBe(String(index));
        if (labels.indexOf(labels[index] as string) === index) expect(key.label).toBe(labels[index]);
      });
    }),
  );
});

test('a label composed in another way, as macOS writes file names, is the same label', async () => {
  const { keys } = await loadFiles({
    'a.env': env('sk-1', 'KMI_KEY_LABEL=Jose\u0301'),
    'b.env': env('sk-2', 'KMI_KEY_LABEL=Jos\u00e9'),
  });
  expect(keys.map(({ label }) => label)).toEqual(['Jos\u00e9', 'Jos\u00e9-2']);
});

test('a missing folder is no error, and is told from an empty one', async () => {
  const folder = await temporaryFolder();
  expect(await load(folder)).toMatchObject({ folderExists: true, keys: [], skipped: [] });
  expect(await load(join(folder, 'missing'))).toMatchObject({ folderExists: false, keys: [], skipped: [] });
});

test('a file in place of the folder is named as skipped', async () => {
  const path = await put(await temporaryFolder(), 'auths', 'x');
  expect(await load(path)).toMatchObject({
    folderExists: true,
    keys: [],
    skipped: [{ file: path, reason: 'unreadable', detail: 'It is not a folder.' }],
  });
});

test('the signature changes with every change of an auth file and with no other', async () => {
  const folder = await temporaryFolder();
  const seen = new Set<string>();
  const changes = async (change: () => Promise<unknown>) => {
    await change();
    const { signature } = await signFolder(folder);
    const isNew = !seen.has(signature);
    seen.add(signature);
    return isNew;
  };
  expect(await changes(async () => undefined)).toBe(true);
  expect(await changes(() => put(folder, 'a.env', 'one'))).toBe(true);
  expect(await changes(() => put(folder, 'a.env', 'two'))).toBe(true);
  expect(await changes(() => put(folder, 'sub/b.toml', 'x'))).toBe(true);
  expect(await changes(() => writeFile(join(folder, 'a.env'), 'replaced'))).toBe(true);
  expect(await changes(() => put(folder, 'sub/notes.txt', 'x'))).toBe(false);
  expect(await changes(() => mkdir(join(folder, 'empty')))).toBe(false);
  expect(await changes(() => chmod(join(folder, 'a.env'), 0o400))).toBe(true);
  expect((await load(folder)).signature).toBe((await signFolder(folder)).signature);
  await rm(join(folder, 'sub', 'b.toml'));
  expect(seen.has((await signFolder(folder)).signature)).toBe(false);
  await rm(folder, { recursive: true });
  expect(seen.has((await signFolder(folder)).signature)).toBe(false);
});

test('a thousand keys are read at once', async () => {
  const folder = await temporaryFolder();
  for (let index = 0; index < 1000; index += 1) await put(folder, `k${index}.env`, env(`sk-${index}`));
  expect((await load(folder)).keys).toHaveLength(1000);
});

test('a folder of .env files does not load the TOML parser; a .toml file does', async () => {
  const folder = await temporaryFolder();
  await put(folder, 'a.env', env('sk-a'));
  const tools = await temporaryFolder();
  // Prints the name of every package as it is resolved.
  const hooks = await put(
    tools,
    'hooks.mjs',
    `export async function resolve(name, context, next) {
      if (/^[a-z]/.test(name) && !/^(node|file|data):/.test(name)) process._rawDebug('package ' + name);
      return next(name, context);
    }`,
  );
  const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(hooks))});`;
  const registerFile = await put(tools, 'register.mjs', register);
  const registry = pathToFileURL(join(import.meta.dirname, '../../src/keys/registry.ts'));
  const script = await put(
    tools,
    'script.mjs',
    `const { loadRegistry } = await import(${JSON.stringify(registry)});
    const rules = { upstreamBaseUrl: 'https://x.example', upstreamAllowlist: [] };
    const { keys } = await loadRegistry({ authsDir: process.argv[2], ...rules });
    process._rawDebug('package count ' + keys.length);`,
  );
  const packages = () => {
    const args = ['--import', 'tsx', '--import', pathToFileURL(registerFile).href, script, folder];
    const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: join(import.meta.dirname, '../..') });
    return [...stderr.matchAll(/^package (.+)$/gm)].map((match) => match[1]);
  };
  expect(packages()).toEqual(['dotenv', 'count 1']);
  await put(folder, 'b.toml', '[providers.x]\napi_key = "sk-b"\n');
  expect(packages()).toEqual(expect.arrayContaining(['smol-toml', 'count 2']));
});
