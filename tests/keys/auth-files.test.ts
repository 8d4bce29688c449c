import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isForeign } from '../../src/files/owner.ts';
import { own } from '../../src/files/toml-table.ts';
import { formatOf } from '../../src/keys/auth-folder.ts';
import { load, loadFiles, put, temporaryFolder, UPSTREAM } from './auth-folder-fixture.ts';

const TOML = '[providers."managed:kimi-code"]\napi_key = "sk-toml"\nbase_url = "https://api.kimi.ai/coding/v1/"\n';
const JSON_FILE = JSON.stringify({
  providers: { 'moonshot-ai': { api_key: 'sk-json', base_url: 'https://api.moonshot.ai/v1' } },
});

async function keyOf(name: string, content: string) {
  const { keys, skipped } = await loadFiles({ [name]: content });
  expect(skipped).toEqual([]);
  expect(keys).toHaveLength(1);
  return keys[0] as NonNullable<(typeof keys)[0]>;
}

async function skipOf(name: string, content: string | Uint8Array, allowlist: readonly string[] = []) {
  const { keys, skipped } = await loadFiles({ [name]: content }, allowlist);
  expect(keys).toEqual([]);
  expect(skipped).toHaveLength(1);
  const [file] = skipped;
  expect(file?.file.endsWith(name)).toBe(true);
  expect(file?.detail).toMatch(/^[A-Z][^\n]*\.$/);
  return file as NonNullable<typeof file>;
}

test('an .env file gives key, label, priority, disabled, base URL and email', async () => {
  const key = await keyOf(
    'one.env',
    [
      '# my key',
      'export KMI_API_KEY="sk-env-1"',
      "KMI_KEY_LABEL='alpha one'",
      'KMI_KEY_PRIORITY=-7',
      'KMI_KEY_DISABLED=Yes',
      'KMI_UPSTREAM_BASE_URL=https://api.kimi.ai/coding/v1/',
      'EMAIL=third@example.com',
      'KMI_EMAIL=second@example.com',
    ].join('\r\n'),
  );
  expect(key).toEqual({
    label: 'alpha one',
    value: 'sk-env-1',
    hash: createHash('sha256').update('sk-env-1').digest('hex').slice(0, 12),
    baseUrl: 'https://api.kimi.ai/coding/v1',
    priority: -7,
    weight: 100,
    disabled: true,
    email: 'second@example.com',
    source: expect.stringMatching(/one\.env$/),
  });
  expect(Object.isFrozen(key)).toBe(true);
});

test('an .env file with only a key takes the rest from its name and the settings', async () => {
  expect(await keyOf('plain.env', 'KMI_API_KEY=  sk-plain  ')).toMatchObject({
    label: 'plain',
    value: 'sk-plain',
    baseUrl: UPSTREAM,
    priority: 0,
    disabled: false,
    email: null,
  });
});

test.each(['high', '1.5', '1e3', '0x10', '99999999999999999999', ' ', '-0'])('a priority of %j counts as 0', async (priority) => {
  expect(await keyOf('p.env', `KMI_API_KEY=sk-p\nKMI_KEY_PRIORITY=${priority}`)).toHaveProperty('priority', 0);
});

test.each(['1', '1000', '250', '+7', ' 42 '])('a weight of %j is taken', async (weight) => {
  expect(await keyOf('p.env', `KMI_API_KEY=sk-p\nKMI_KEY_WEIGHT=${weight}`)).toHaveProperty('weight', Number(weight));
});

test.each(['', '0', '-1', '1001', '1.5', '1e2', '0x10', 'heavy', '99999999999999999999'])(
  'a weight of %j counts as 100',
  async (weight) => {
    expect(await keyOf('p.env', `KMI_API_KEY=sk-p\nKMI_KEY_WEIGHT=${weight}`)).toHaveProperty('weight', 100);
  },
);

test('a byte order mark and stray quotes around a key are not part of it', async () => {
  expect(await keyOf('bom.env', '\uFEFFKMI_API_KEY=" \'sk-bom\' "')).toHaveProperty('value', 'sk-bom');
});

test('a .toml file gives the key and base URL of its provider', async () => {
  expect(await keyOf('team.toml', TOML)).toMatchObject({
    label: 'team',
    value: 'sk-toml',
    baseUrl: 'https://api.kimi.ai/coding/v1',
  });
});

test('a .json file has the same shape', async () => {
  expect(await keyOf('team.json', JSON_FILE)).toMatchObject({
    label: 'team',
    value: 'sk-json',
    baseUrl: 'https://api.moonshot.ai/v1',
  });
});

test.each([
  ['a.toml.bak', TOML, 'sk-toml'],
  ['a.json.bak', JSON_FILE, 'sk-json'],
  ['a.env.bak', 'KMI_API_KEY=sk-env', 'sk-env'],
  ['a.bak', TOML, 'sk-toml'],
  ['a.bak', JSON_FILE, 'sk-json'],
  ['a.bak', 'KMI_API_KEY=sk-env', 'sk-env'],
  ['a.bak', 'KMI_API_KEY="sk-env"', 'sk-env'],
  ['a.TOML.BAK', TOML, 'sk-toml'],
])('%s is read by its inner extension, or by its content', async (name, content, value) => {
  expect(await keyOf(name, content)).toMatchObject({ value, label: 'a' });
});

test.each(['notes.txt', 'README.md', 'a.toml.tmp', 'a.yaml', '._a.toml', '.#a.env', 'toml', 'env', 'bak'])(
  '%s is no auth file',
  (name) => {
    expect(formatOf(name)).toBeNull();
  },
);

test('the preferred provider with a key is taken, then the first with a key', async () => {
  const provider = (name: string, key: string) => `[providers."${name}"]\napi_key = "${key}"\n`;
  const other = provider('other', 'sk-other');
  const moonshot = provider('moonshot-ai', 'sk-moonshot');
  const coding = provider('kimi-for-coding', 'sk-coding');
  const managed = provider('managed:kimi-code', 'sk-managed');
  expect(await keyOf('a.toml', other + moonshot + coding + managed)).toHaveProperty('value', 'sk-managed');
  expect(await keyOf('a.toml', other + moonshot + coding)).toHaveProperty('value', 'sk-coding');
  expect(await keyOf('a.toml', other + moonshot)).toHaveProperty('value', 'sk-moonshot');
  expect(await keyOf('a.toml', other)).toHaveProperty('value', 'sk-other');
  expect(await keyOf('a.toml', other + provider('managed:kimi-code', ''))).toHaveProperty('value', 'sk-other');
  expect(await keyOf('a.toml', `providers.bad = 5\n${other}[providers.worse]\napi_key = 7\n`)).toHaveProperty(
    'value',
    'sk-other',
  );
});

test.each([
  ['team_config.toml', 'team'],
  ['team-config.toml', 'team'],
  ['teamconfig.toml', 'team'],
  ['team_.toml', 'team'],
  ['team--config.json', 'team'],
  ['config.toml', 'config'],
  ['alice/config.toml', 'alice'],
  ['alice/.env', 'alice'],
  ['a/team.config.toml.bak', 'team.'],
])('the label of %s is %s', async (name, label) => {
  const content = name.includes('toml') ? TOML : name.includes('json') ? JSON_FILE : 'KMI_API_KEY=sk-x';
  expect(await keyOf(name, content)).toHaveProperty('label', label);
});

test('an .env label keeps its config ending', async () => {
  expect(await keyOf('my_config.env', 'KMI_API_KEY=sk-x')).toHaveProperty('label', 'my_config');
});

test.each([
  [
    'provider field',
    'a.toml',
    '[providers.x]\napi_key="sk-x"\nowner="p@example.com"\n[user]\nemail="u@example.com"',
    'p@example.com',
  ],
  ['other field', 'a.toml', 'account = "u@example.com"\n[providers.x]\napi_key="sk-x"', 'u@example.com'],
  ['deeper field', 'a.json', '{"providers":{"x":{"api_key":"sk-x"}},"a":{"b":{"email":"d@example.com"}}}', 'd@example.com'],
  ['file name', 'alice@example.com.toml', '[providers.x]\napi_key="sk-x"', 'alice@example.com'],
  ['file name with config', 'alice@example.com-config.toml', '[providers.x]\napi_key="sk-x"', 'alice@example.com'],
  ['name of an .env', 'bob@example.com.env', 'KMI_API_KEY=sk-x\nEMAIL=nonsense', 'bob@example.com'],
])('an email is found in the %s', async (_where, name, content, email) => {
  expect(await keyOf(name, content)).toHaveProperty('email', email);
});

test("another provider's email is not this key's", async () => {
  const content = '[providers.moonshot-ai]\napi_key="sk-x"\n[providers.other]\nemail="other@example.com"';
  expect(await keyOf('a.toml', content)).toHaveProperty('email', null);
});

test('labels hold no control or direction characters and are bounded', async () => {
  const key = await keyOf('a.env', `KMI_API_KEY=sk-x\nKMI_KEY_LABEL="a\u001b[31m\u202eb\\n\\rc${'x'.repeat(500)}"`);
  expect(key.label).toMatch(/^a \[31m b cx+$/);
  expect(key.label.length).toBe(80);
});

test('a file name with control characters is shown without them', async () => {
  const { keys, skipped } = await loadFiles({ 'a\u001b[2Jb.env': 'KMI_API_KEY=sk-x', 'c\u001bd.toml': 'x' });
  expect(keys[0]).toMatchObject({ label: 'a [2Jb', source: expect.stringMatching(/a\?\[2Jb\.env$/) });
  expect(skipped[0]?.file).toMatch(/c\?d\.toml$/);
});

test.each(['__proto__', 'constructor', 'toString'])('a label %s, which every object has, is not used', async (label) => {
  expect(await keyOf('named.env', `KMI_API_KEY=sk-x\nKMI_KEY_LABEL=${label}`)).toHaveProperty('label', 'named');
  const key = await keyOf(`${label}.env`, 'KMI_API_KEY=sk-x');
  expect(key.label).toBe(`key-${key.hash}`);
});

test('a label or email that would show the key is replaced', async () => {
  const key = await keyOf('sk-secret-1.env', 'KMI_API_KEY=sk-secret-1');
  expect(key.label).toBe(`key-${key.hash}`);
});

test('only what a table itself holds is read, not what its prototype holds', () => {
  expect(own({}, 'constructor')).toBeUndefined();
  expect(own({}, '__proto__')).toBeUndefined();
  expect(own(JSON.parse('{"__proto__":1}'), '__proto__')).toBe(1);
});

test('providers and fields named __proto__ neither pollute nor count as inherited', async () => {
  const { keys } = await loadFiles({
    'a.json': '{"__proto__":{"providers":{"x":{"api_key":"sk-1"}},"polluted":1},"providers":{"__proto__":{"api_key":"sk-2"}}}',
    'b.toml': '[__proto__]\npolluted = 1\n[providers.__proto__]\napi_key = "sk-3"\n',
    'c.env': '__proto__=x\nKMI_API_KEY=sk-4\n__proto__.polluted=1\n',
    'd.json': '{"providers":{"x":{"__proto__":{"api_key":"sk-5"}}}}',
  });
  expect(keys.map(({ value }) => value)).toEqual(['sk-2', 'sk-3', 'sk-4']);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test.each([
  ['empty.env', ''],
  ['other.env', 'OPENAI_API_KEY=sk-secret'],
  ['blank.env', 'KMI_API_KEY=""'],
  ['none.toml', 'default_model = "k3"'],
  ['blank.toml', '[providers.x]\napi_key = "  "'],
  ['oauth.toml', '[providers.x.oauth]\nstorage = "file"'],
  ['none.json', '{}'],
  ['none.bak', 'just some words'],
  ['keyless.bak', '[providers.x]\nbase_url = "https://x.example"'],
])('%s has no key', async (name, content) => {
  expect(await skipOf(name, content)).toHaveProperty('reason', 'no_key');
});

test.each([
  ['broken.toml', '[providers.x]\napi_key = "sk-secret', /line 2, column \d+/],
  ['broken.json', '{"providers":{"x":{"api_key":"sk-secret"', /JSON/],
  ['list.json', '["sk-secret"]', /table of providers/],
  ['null.json', 'null', /table of providers/],
  ['flat.toml', 'providers = "sk-secret"', /table of providers/],
  ['number.toml', '[providers.x]\napi_key = 12345', /not a text/],
  ['url.json', '{"providers":{"x":{"api_key":"sk-secret","base_url":["a"]}}}', /not a text/],
  ['cyrillic.env', 'KMI_API_KEY=sk-secret-ключ', /header/],
  ['inner.env', 'KMI_API_KEY=sk secret', /header/],
  ['newline.json', '{"providers":{"x":{"api_key":"sk\\nsecret"}}}', /header/],
  ['nul.json', '{"providers":{"x":{"api_key":"sk\\u0000secret"}}}', /header/],
  ['long.env', `KMI_API_KEY=sk-secret-${'x'.repeat(5000)}`, /length/],
  ['latin1.env', Buffer.from('KMI_API_KEY=sk-secret # schl\xfcssel', 'latin1'), /UTF-8/],
  ['binary.toml', Uint8Array.of(0xff, 0xfe, 0x00), /UTF-8/],
])('%s is malformed, and the reason quotes nothing of it', async (name, content, detail) => {
  const skipped = await skipOf(name, content);
  expect(skipped.reason).toBe('malformed');
  expect(skipped.detail).toMatch(detail);
  expect(skipped.detail).not.toMatch(/secret|ключ|12345/);
});

test.each([
  ['http://gateway.example/coding/v1'],
  ['ftp://api.kimi.com'],
  ['coding/v1'],
  ['https://user:secret@api.kimi.com'],
  ['https://api.kimi.com/?key=secret'],
  [`https://api.kimi.com/${'/'.repeat(500_000)}secret`],
])('the base URL %.40s is refused without being quoted', async (url) => {
  const skipped = await skipOf('a.env', `KMI_API_KEY=sk-x\nKMI_UPSTREAM_BASE_URL=${url}`);
  expect(skipped.reason).toBe('bad_url');
  expect(skipped.detail).not.toContain('secret');
});

test('a host outside the allowlist is refused, one inside is not', async () => {
  const content = (host: string) => `KMI_API_KEY=sk-x\nKMI_UPSTREAM_BASE_URL=https://${host}/v1`;
  expect(await skipOf('a.env', content('evil.example'), ['api.kimi.com', '*.kimi.ai'])).toHaveProperty('reason', 'bad_url');
  const { keys } = await loadFiles({ 'a.env': content('api.kimi.ai') }, ['api.kimi.com', '*.kimi.ai']);
  expect(keys).toHaveLength(1);
});

test('http:// is accepted for this machine only', async () => {
  const key = await keyOf('a.env', 'KMI_API_KEY=sk-x\nKMI_UPSTREAM_BASE_URL=http://127.0.0.1:8080/v1');
  expect(key.baseUrl).toBe('http://127.0.0.1:8080/v1');
});

test('a file over 1 MiB is too large, one of 1 MiB is not', async () => {
  const padding = (bytes: number) => `KMI_API_KEY=sk-x\n#${'x'.repeat(bytes - 18)}`;
  expect(await skipOf('large.env', padding(1024 * 1024 + 1))).toHaveProperty('reason', 'too_large');
  expect(await keyOf('full.env', padding(1024 * 1024))).toHaveProperty('value', 'sk-x');
});

test('a dangling link is unreadable', async () => {
  const folder = await temporaryFolder();
  await symlink(join(folder, 'nowhere'), join(folder, 'link.env'));
  const { skipped } = await load(folder);
  expect(skipped).toMatchObject([{ reason: 'unreadable', detail: 'The file cannot be read (ENOENT).' }]);
});

test.skipIf(process.platform === 'win32')('a pipe is unreadable and is not waited for', async () => {
  const folder = await temporaryFolder();
  execFileSync('mkfifo', [join(folder, 'pipe.toml')]);
  const { skipped } = await load(folder);
  expect(skipped).toMatchObject([{ reason: 'unreadable', detail: 'It is not a regular file.' }]);
});

test.skipIf(process.platform === 'win32' || process.getuid?.() === 0)('a file without permission is unreadable', async () => {
  const folder = await temporaryFolder();
  await chmod(await put(folder, 'a.env', 'KMI_API_KEY=sk-x'), 0o000);
  expect((await load(folder)).skipped).toMatchObject([{ reason: 'unreadable', detail: 'The file cannot be read (EACCES).' }]);
});

test("a stranger's file is not trusted, root's and one's own are", () => {
  expect(isForeign(1001, 1000)).toBe(true);
  expect(isForeign(1000, 1000)).toBe(false);
  expect(isForeign(0, 1000)).toBe(false);
  expect(isForeign(1001, 0)).toBe(false);
  expect(isForeign(0, undefined)).toBe(false);
});

test('links to files and folders are followed, one level below and no deeper', async () => {
  const folder = await temporaryFolder();
  const elsewhere = await temporaryFolder();
  await put(elsewhere, 'linked.env', 'KMI_API_KEY=sk-linked');
  await put(elsewhere, 'deep/deeper.env', 'KMI_API_KEY=sk-deeper');
  await symlink(join(elsewhere, 'linked.env'), join(folder, 'file.env'));
  await symlink(elsewhere, join(folder, 'sub'));
  await put(folder, 'one/two.env', 'KMI_API_KEY=sk-two');
  await put(folder, 'one/two/three.env', 'KMI_API_KEY=sk-three');
  await mkdir(join(folder, 'folder.toml'));
  const { keys, skipped } = await load(folder);
  expect(keys.map(({ value }) => value).sort()).toEqual(['sk-linked', 'sk-two']);
  expect(skipped).toMatchObject([
    { reason: 'duplicate_key', file: join(folder, 'sub', 'linked.env') },
    { reason: 'not_read', file: join(folder, 'one', 'two') },
    { reason: 'not_read', file: join(folder, 'sub', 'deep') },
  ]);
});

test.each(['KMI_API_KEY=sk-kimi-aaaaaaaa#zz', 'KMI_API_KEY=#sk-kimi-aaaaaaaa', 'export KMI_API_KEY: sk-a#b'])(
  'a key cut at a # is none: %s',
  async (line) => {
    const { detail } = await skipOf('a.env', `${line}\n`);
    expect(detail).toBe('Its KMI_API_KEY is cut at the #; put the value in quotes.');
  },
);

test('another value cut at a # is named, and a switch that is cut away is unclear', async () => {
  const { keys, remarks } = await loadFiles({ 'a.env': 'KMI_API_KEY=sk-a # mine\nKMI_KEY_LABEL=team#1\n' });
  expect([keys[0]?.label, remarks.map(({ detail }) => detail)]).toEqual([
    'team',
    ['KMI_KEY_LABEL is cut at the #; put the value in quotes.'],
  ]);
  expect((await skipOf('b.env', 'KMI_API_KEY=sk-b\nKMI_KEY_DISABLED=#1\n')).reason).toBe('malformed');
});

test('the address of a web site is no base URL, and the right one is named', async () => {
  const url = 'https://platform.moonshot.ai/console';
  const detail = 'Its base URL is a web site, not the API; the base URL is https://api.moonshot.ai/v1.';
  expect(await skipOf('a.env', `KMI_API_KEY=sk-a\nKMI_UPSTREAM_BASE_URL=${url}\n`)).toMatchObject({ reason: 'bad_url', detail });
  const provider = { type: 'openai', api_key: 'sk-b', base_url: url };
  expect(await skipOf('b.json', JSON.stringify({ providers: { x: provider } }))).toMatchObject({ reason: 'bad_url', detail });
});
