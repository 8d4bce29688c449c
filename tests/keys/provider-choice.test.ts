import { expect, test } from 'vitest';
import { readCurrentAccount } from '../../src/keys/current-account.ts';
import { loadFiles, put, temporaryFolder, UPSTREAM } from './auth-folder-fixture.ts';

const CODE = 'https://api.kimi.com/coding/v1';
const PLATFORM = 'https://api.moonshot.ai/v1';
const PLATFORM_KEY = 'sk-000000000000000000000000';
const CODE_KEY = 'sk-kimi-0123456789abcdef';

type Provider = { name: string; type?: string; key?: string; url?: string };
type Parts = { providers: readonly Provider[]; defaultModel?: string; models?: Readonly<Record<string, string>> };

function config({ providers, defaultModel, models = {} }: Parts) {
  return {
    ...(defaultModel === undefined ? {} : { default_model: defaultModel }),
    models: Object.fromEntries(Object.entries(models).map(([name, provider]) => [name, { provider, model: 'm' }])),
    providers: Object.fromEntries(
      providers.map(({ name, type, key, url }) => [
        name,
        {
          ...(type === undefined ? {} : { type }),
          ...(key === undefined ? {} : { api_key: key }),
          ...(url === undefined ? {} : { base_url: url }),
        },
      ]),
    ),
  };
}

/** JSON is close to TOML's inline tables, so one config is tried in both formats. */
function toml(parts: Parts): string {
  const { default_model, models, providers } = config(parts);
  const lines = default_model === undefined ? [] : [`default_model = "${default_model}"`];
  for (const [kind, tables] of Object.entries({ models, providers })) {
    for (const [name, fields] of Object.entries(tables)) {
      lines.push(`[${kind}."${name}"]`, ...Object.entries(fields).map(([field, value]) => `${field} = ${JSON.stringify(value)}`));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Where the file's key would go, by both formats of auth files and by `kmi current`; null: it gives none. */
async function addressOf(parts: Parts): Promise<string | null> {
  const { keys: fromToml } = await loadFiles({ 'a.toml': toml(parts) });
  const { keys: fromJson } = await loadFiles({ 'a.json': JSON.stringify(config(parts)) });
  expect(fromJson.map(({ value, baseUrl }) => [value, baseUrl])).toEqual(fromToml.map(({ value, baseUrl }) => [value, baseUrl]));
  const path = await put(await temporaryFolder(), 'config.toml', toml(parts));
  const current = await readCurrentAccount(path, { upstreamBaseUrl: UPSTREAM, upstreamAllowlist: [] });
  expect(current.kind === 'found' ? current.key.baseUrl : null).toBe(fromToml[0]?.baseUrl ?? null);
  return fromToml[0]?.baseUrl ?? null;
}

test.each<[string, Provider]>([
  ['a type of its own at its host', { name: 'openai', type: 'openai_responses', url: 'https://api.openai.com/v1' }],
  ['a type of its own and no address', { name: 'a', type: 'anthropic' }],
  ['a type of its own at an unknown host', { name: 'mine', type: 'openai_legacy', url: 'https://gateway.example/v1' }],
  ['no type, at its host', { name: 'x', url: 'https://api.openai.com/v1' }],
  ['no type, at a host below it', { name: 'x', url: 'https://eu.api.anthropic.com' }],
  ['the wrong type, at its host', { name: 'x', type: 'kimi', url: 'https://generativelanguage.googleapis.com/v1beta' }],
  ['nothing but its name', { name: 'openai' }],
  ['a type that is no text', { name: 'x', type: 7 as unknown as string, url: 'https://gateway.example/v1' }],
  ['a host that only ends like one of Kimi', { name: 'x', type: 'anthropic', url: 'https://notkimi.com/v1' }],
])('a provider of another company gives no key: %s', async (_how, provider) => {
  expect(await addressOf({ providers: [{ ...provider, key: 'sk-0000000000000000' }] })).toBeNull();
});

test.each<[string, Provider]>([
  ['kimi.com', { name: 'managed:kimi-code', type: 'kimi', url: CODE }],
  ['kimi.ai', { name: 'x', type: 'kimi', url: 'https://api.kimi.ai/coding/v1' }],
  ['moonshot.cn', { name: 'x', url: 'https://api.moonshot.cn/v1' }],
  ["Kimi's host by another company's protocol", { name: 'x', type: 'anthropic', url: CODE }],
  ["Kimi's host by the old protocol", { name: 'openai', type: 'openai_legacy', url: PLATFORM }],
  ['a gateway of type kimi', { name: 'mine', type: 'kimi', url: 'https://gateway.example/v1' }],
  ['a gateway of type Kimi', { name: 'mine', type: 'Kimi', url: 'https://gateway.example/v1' }],
  ['a gateway without a type', { name: 'mine', url: 'https://gateway.example/v1' }],
  ['this machine', { name: 'mine', type: 'openai_legacy', url: 'http://127.0.0.1:8080/v1' }],
])('a key for %s goes there', async (_where, provider) => {
  expect(await addressOf({ providers: [{ ...provider, key: 'sk-0000000000000000' }] })).toBe(provider.url);
});

test("a login beside another company's key gives no key, and the file is named with what is wrong", async () => {
  const { keys, skipped } = await loadFiles({
    'a.toml': `${toml({ providers: [{ name: 'openai', type: 'openai_responses', url: 'https://api.openai.com/v1', key: 'sk-proj-000' }] })}
[providers."managed:kimi-code"]\ntype = "kimi"\napi_key = ""\n[providers."managed:kimi-code".oauth]\nstorage = "file"\n`,
  });
  expect(keys).toEqual([]);
  expect(skipped).toMatchObject([
    { reason: 'no_key', detail: expect.stringMatching(/no key for Kimi, but for the provider openai\./) },
  ]);
});

const twins = (key: string): readonly Provider[] => [
  { name: 'managed:kimi-code', type: 'kimi', url: CODE, key },
  { name: 'moonshot-ai', type: 'kimi', url: PLATFORM, key },
];

test.each<[string, Omit<Parts, 'providers'>, string, string]>([
  ['the default model', { defaultModel: 'm', models: { m: 'moonshot-ai' } }, PLATFORM_KEY, PLATFORM],
  ['the default model, against the kind of key', { defaultModel: 'm', models: { m: 'managed:kimi-code' } }, PLATFORM_KEY, CODE],
  ["a default model that has no row, by its name's beginning", { defaultModel: 'moonshot-ai/kimi-k3' }, CODE_KEY, PLATFORM],
  ["such a name of a login's", { defaultModel: 'kimi-code/k3' }, PLATFORM_KEY, CODE],
  ['the models, without a default', { models: { a: 'moonshot-ai', b: 'moonshot-ai' } }, CODE_KEY, PLATFORM],
  ['the kind of key, without any model', {}, PLATFORM_KEY, PLATFORM],
  ['the kind of key, where both have models', { models: { a: 'moonshot-ai', b: 'managed:kimi-code' } }, CODE_KEY, CODE],
  ['the kind of key, where the default model is unknown', { defaultModel: 'nothing' }, PLATFORM_KEY, PLATFORM],
])('a key that stands twice goes where %s says', async (_what, parts, key, address) => {
  expect(await addressOf({ ...parts, providers: twins(key) })).toBe(address);
  expect(await addressOf({ ...parts, providers: twins(key).toReversed() })).toBe(address);
});

test("another company's default model does not say which key of Kimi counts", async () => {
  const providers = [...twins(PLATFORM_KEY), { name: 'openai', type: 'openai', url: 'https://api.openai.com/v1', key: 'sk-1' }];
  expect(await addressOf({ defaultModel: 'gpt', models: { gpt: 'openai' }, providers })).toBe(PLATFORM);
});

test('of two keys in one file the one of the default model is used, and the other is named', async () => {
  const providers = [
    { name: 'managed:kimi-code', type: 'kimi', url: CODE, key: CODE_KEY },
    { name: 'moonshot-cn', type: 'kimi', url: 'https://api.moonshot.cn/v1', key: PLATFORM_KEY },
  ];
  const parts = { defaultModel: 'm', models: { m: 'moonshot-cn' }, providers };
  expect(await addressOf(parts)).toBe('https://api.moonshot.cn/v1');
  const { remarks } = await loadFiles({ 'a.toml': toml(parts) });
  expect(remarks.map(({ detail }) => detail)).toEqual([
    'The provider managed:kimi-code holds another key, which is not used; put it into a file of its own.',
  ]);
});

test.each([
  ['{"providers":{"x":{"apiKey":"sk-x1"}}}', 'apiKey is not read; did you mean api_key?'],
  ['{"api_key":"sk-x1"}', 'Its api_key stands outside of a provider; put it below [providers.kimi].'],
])('%s is told what to write', async (content, detail) => {
  const { skipped } = await loadFiles({ 'a.json': content });
  expect(skipped).toMatchObject([{ reason: 'no_key', detail: expect.stringContaining(detail) }]);
});

test('a base URL by another name is not silently left out', async () => {
  const { remarks } = await loadFiles({
    'a.json': '{"providers":{"x":{"api_key":"sk-x1","baseURL":"https://gateway.example"}}}',
  });
  expect(remarks.map(({ detail }) => detail)).toEqual(['baseURL is not read; did you mean base_url?']);
});
