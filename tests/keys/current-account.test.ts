import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCurrentAccount } from '../../src/keys/current-account.ts';
import { hashKey } from '../../src/keys/key-text.ts';
import { put, temporaryFolder, UPSTREAM } from './auth-folder-fixture.ts';

const RULES = { upstreamBaseUrl: UPSTREAM, upstreamAllowlist: ['api.kimi.com', 'api.kimi.ai'] };

async function read(text: string | Uint8Array) {
  return readCurrentAccount(await put(await temporaryFolder(), 'config.toml', text), RULES);
}

test("the default model's provider is the current account", async () => {
  const account = await read(`default_model = "m"
[models.m]
provider = "mine"
[providers."managed:kimi-code"]
api_key = "sk-managed"
[providers.mine]
api_key = " sk-mine "
base_url = "https://api.kimi.ai/coding/v1/"
email = "me@example.com"
`);
  expect(account).toMatchObject({
    kind: 'found',
    provider: 'mine',
    hasOauth: false,
    key: {
      label: 'mine',
      value: 'sk-mine',
      hash: hashKey('sk-mine'),
      baseUrl: 'https://api.kimi.ai/coding/v1',
      email: 'me@example.com',
      source: expect.stringMatching(/config\.toml$/),
    },
  });
});

test('without a default model it is the managed provider, at the default upstream', async () => {
  expect(await read('[providers.a]\napi_key = "sk-a"\n[providers."managed:kimi-code"]\napi_key = "sk-m"\n')).toMatchObject({
    kind: 'found',
    key: { label: 'managed:kimi-code', value: 'sk-m', baseUrl: UPSTREAM, email: null },
  });
});

test('any word will do for a proxy on this machine, and a placeholder for no other host', async () => {
  const config = (key: string, url: string) => `[providers.kimi]\napi_key = "${key}"\nbase_url = "${url}"\n`;
  const near = { upstreamBaseUrl: UPSTREAM, upstreamAllowlist: [] };
  const path = await put(await temporaryFolder(), 'config.toml', config('none', 'http://127.0.0.1:54123/kmi-rotor/v1'));
  expect(await readCurrentAccount(path, near)).toMatchObject({ kind: 'found', key: { value: 'none' } });
  for (const key of ['none', '<your key>', '$KIMI_API_KEY', 'sk-kimi-a1,sk-kimi-b1']) {
    expect(await read(config(key, UPSTREAM))).toEqual({
      kind: 'unusable',
      problem: expect.stringMatching(/placeholder|reference|several/),
    });
  }
});

test('a missing config is told from one that cannot be used', async () => {
  expect(await readCurrentAccount(join(await temporaryFolder(), 'config.toml'), RULES)).toEqual({ kind: 'missing' });
});

test.each([
  ['broken TOML', '[providers.x]\napi_key = "sk-secret', /line 2/],
  ['no text', Uint8Array.of(0xff), /UTF-8/],
  ['no provider', 'a = 1', /no Kimi provider/],
  ['an OAuth login', '[providers."managed:kimi-code"]\napi_key = ""\noauth = { key = "x" }', /without an API key/],
  ['no key', '[providers.moonshot-ai]\ntype = "kimi"', /no api_key/],
  ['an odd key', '[providers.x]\napi_key = "sk-secret ключ"', /header/],
  ['a bad URL', '[providers.x]\napi_key = "sk-secret"\nbase_url = "http://gateway.example"', /https/],
  ['a host not allowed', '[providers.x]\napi_key = "sk-secret"\nbase_url = "https://evil.example"', /ALLOWLIST/],
])('%s is named without a secret', async (_what, text, problem) => {
  const account = await read(text);
  expect(account).toEqual({ kind: 'unusable', problem: expect.stringMatching(problem) });
  expect(JSON.stringify(account)).not.toContain('secret');
});
