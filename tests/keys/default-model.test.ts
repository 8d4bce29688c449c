import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readDefaultModel } from '../../src/keys/default-model.ts';
import { cleanUp } from '../support/cleanup.ts';

const folder = await mkdtemp(join(tmpdir(), 'kmi-model-'));
cleanUp(() => rm(folder, { recursive: true, force: true }));

async function modelOf(text: string) {
  const path = join(folder, 'config.toml');
  await writeFile(path, text, { mode: 0o600 });
  return readDefaultModel(path);
}

const PROVIDER = '[providers.p]\ntype = "kimi"\n';

it('the default model is read with what the variables can say of it', async () => {
  const model = 'model = "k3"\nmax_context_size = 1048576\ncapabilities = ["thinking", 1]\n';
  expect(await modelOf(`default_model = "p/k3"\n[models."p/k3"]\nprovider = "p"\n${model}${PROVIDER}`)).toEqual({
    name: 'k3',
    maxContextSize: 1_048_576,
    capabilities: ['thinking'],
    isKimi: true,
  });
});

it('a model of another kind of provider, or of none, is not Kimi', async () => {
  const model = 'default_model = "m"\n[models.m]\nprovider = "p"\nmodel = "x"\n';
  const expected = { name: 'x', maxContextSize: null, capabilities: [], isKimi: false };
  expect(await modelOf(`${model}[providers.p]\ntype = "anthropic"\n`)).toEqual(expected);
  expect(await modelOf(model)).toEqual(expected);
});

it.each([
  ['no default model', `[models.m]\nmodel = "k3"\n${PROVIDER}`],
  ['one that is not described', `default_model = "m"\n${PROVIDER}`],
  ['one without an id', `default_model = "m"\n[models.m]\nprovider = "p"\nmodel = " "\n${PROVIDER}`],
  ['an empty name', 'default_model = ""\n'],
  ['the name of a prototype', 'default_model = "__proto__"\n[models.m]\nmodel = "x"\n'],
  ['no TOML', 'default_model = \n'],
])('a file with %s names none', async (_, text) => {
  expect(await modelOf(text)).toBeNull();
});

it('no file names none', async () => {
  expect(await readDefaultModel(join(folder, 'missing.toml'))).toBeNull();
});
