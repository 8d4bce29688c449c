import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { findKimi } from '../../src/launch/find-kimi.ts';
import { cleanUp } from '../support/cleanup.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kmi-path-'));
  const made = root;
  cleanUp(() => rm(made, { recursive: true, force: true }));
});

async function program(path: string, text = '\u007fELF', mode = 0o755): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { mode });
  return file;
}

const find = (...folders: string[]) => findKimi({ environment: { PATH: folders.map((folder) => join(root, folder)).join(':') } });

it.each([
  ['bin/kimi', '#!/opt/venv/bin/python\nimport sys\nfrom kimi_cli.__main__ import main\n', 'kimi-cli'],
  ['tools/kimi-code/bin/kimi', '#!/opt/python\nfrom kimi_cli.cli import cli\n', 'kimi-cli'],
  ['Cellar/kimi-cli/1.40/bin/kimi', '\u007fELF', 'kimi-cli'],
  ['.kimi-code/bin/kimi', '\u007fELF', 'kimi-code'],
  ['node_modules/@moonshot-ai/kimi-code/dist/kimi', '#!/usr/bin/env node\n', 'kimi-code'],
  ['bin/kimi', '#!/bin/sh\nexec node "$basedir/../@moonshot-ai/kimi-code/dist/main.mjs" "$@"\n', 'kimi-code'],
  ['bin/kimi', '\u007fELF', null],
])('%s holding %j is %s', async (path, text, client) => {
  const file = await program(path, text);
  expect(await find(dirname(path))).toEqual({ path: file, client });
});

it('a link is told apart by where it leads', async () => {
  const target = await program('lib/node_modules/@moonshot-ai/kimi-code/dist/main.mjs', '#!/usr/bin/env node\n');
  await mkdir(join(root, 'bin'));
  await symlink(target, join(root, 'bin/kimi'));
  expect(await find('bin')).toEqual({ path: join(root, 'bin/kimi'), client: 'kimi-code' });
});

it.each([
  '#!/bin/sh\nexec kimi_robin "$@"\n',
  '#!/bin/bash\nset -e\nKMI_DRY_RUN=0 exec /opt/bin/kmi kimi "$@"\n',
  '#!/bin/sh\n  "/opt/kmi/bin/kimi_robin" "$@"\n',
  '#!/bin/sh\nexec node "$basedir/../kmi/dist/robin.js" "$@"\n',
  '@echo off\r\n@call kimi_robin %*\r\n',
])('a script that calls kmi is not the client: %j', async (text) => {
  await program('ours/kimi', text);
  const real = await program('theirs/kimi');
  expect((await find('ours', 'theirs'))?.path).toBe(real);
});

it.each(['#!/bin/sh\n# stands in for kmi kimi and kimi_robin\necho hello\n', '#!/bin/sh\necho "not kmi kimi"\n'])(
  'a script that only speaks of kmi is the client: %j',
  async (text) => {
    const file = await program('bin/kimi', text);
    expect((await find('bin'))?.path).toBe(file);
  },
);

it('folders, files that may not be run and empty entries are passed over', async () => {
  await mkdir(join(root, 'a/kimi'), { recursive: true });
  await program('b/kimi', 'text', 0o644);
  expect(await find('a', 'b', 'missing')).toBeNull();
  expect(await findKimi({ environment: { PATH: ':' } })).toBeNull();
  expect(await findKimi({ environment: {} })).toBeNull();
});

it('a program that may be run but not read is one all the same', async () => {
  const file = await program('bin/kimi', 'secret', 0o111);
  expect(await find('bin')).toEqual({ path: file, client: null });
});
