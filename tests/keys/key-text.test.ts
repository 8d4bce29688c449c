import { expect, test } from 'vitest';
import { problemOfKey } from '../../src/keys/key-text.ts';
import { loadFiles, UPSTREAM } from './auth-folder-fixture.ts';

const reasonOf = (value: string, baseUrl = UPSTREAM) => problemOfKey(value, baseUrl)?.reason ?? null;

test.each([
  ...[`\${KIMI_API_KEY}`, '$KIMI_API_KEY', `\${KIMI_API_KEY:-}`, '%KIMI_API_KEY%', '$env:KIMI_API_KEY', '$(cat key.txt)'],
  ...['{env:KIMI_API_KEY}', '{{ kimi_key }}', '{KEY}', 'env:KIMI_API_KEY', 'os.environ/KIMI_API_KEY', 'op://vault/kimi/key'],
  ...['process.env.KIMI_API_KEY', 'KIMI_API_KEY', 'YOUR_API_KEY', `sk-\${KEY}`],
  ...['<your key>', '<KEY>', '[your key]', 'sk-kimi-<key>', 'sk-...', 'sk-kimi-...', 'sk-kimi-…', 'sk-kimi-abcd...wxyz'],
  ...[
    'sk-k***6789',
    'sk-kimi-••••',
    'sk-xxx',
    'xxx',
    'sk-kimi-xxxxxxxx',
    'SK-KIMI-XXXX-XXXX',
    'sk-kimi-12xxxxxxxxxx',
    'sk-',
    'sk-kimi-',
  ],
  ...['your-api-key', 'your_key_here', 'yourkey', 'sk-your-key', 'sk-kimi-your-key-1', 'YourKimiApiKeyHere', 'my-api-key'],
  ...[
    'encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt+Z9HPMfLE',
    'ENC[AES256_GCM,data:Zm9v,iv:YQ==]',
    'ENC(G6N718UuyPE5bHyWKyuLQSm02)',
  ],
  ...[
    '@/run/secrets/kimi',
    '@~/kimi.key',
    '@./kimi.key',
    '@C:\\keys\\kimi.txt',
    'vault:secret/data/kimi#key',
    'ref+vault://kimi/key',
  ],
  ...[
    'sk-1234567890',
    'sk-kimi-1234567890',
    'sk-12345678901234567890',
    'sk-1234567890abcdef',
    'sk-kimi-abc123',
    'sk-abc123def456',
  ],
  ...[
    'sk-abcdef1234567890abcdef1234567890',
    'sk-abcdefghijklmnopqrstuvwxyz',
    'sk-kimi-abc…',
    'sk-kimi-abc...',
    'sk-kimi-abc…xyz',
  ],
  ...['sk-example', 'sk-kimi-dummy-key', 'sk-sample-1'],
  ...['changeme', 'change-me', 'REPLACE_ME', 'insert-key-here', 'placeholder', 'sk-kimi-placeholder', 'todo', 'none', 'null'],
])('%s is a placeholder', (value) => {
  expect(reasonOf(value)).toBe('placeholder');
});

test.each([
  ...['sk-kimi-trial-one', 'sk-kimi-AbC_123-xyz', 'sk-1', 'sk-x', 'sk-kimi-aaaaaaaaaaaaaaaaaaaa', 'sk-000000000000000000000000'],
  ...['sk-test-ada-0123456789abcdef', 'sk-anything-at-all', 'sk-nobody-knows-this-key', 'secret', 'kmi', '12|abcdef0123456789'],
  ...[
    'sk-kimi-yourXk3j2h4k5j6h7k8j9h0k1j2h3k4',
    'dXNlcjpwYXNz+/==',
    'eyJhbGciOi.eyJzdWIi.c2ln',
    'sk-kimi-none9f8e7d6c5b4a39281706',
  ],
])('%s may be a key', (value) => {
  expect(reasonOf(value)).toBeNull();
});

const A = 'sk-kimi-aaaaaaaaaaaaaaaaaaaa';
const B = 'sk-kimi-bbbbbbbbbbbbbbbbbbbb';

test.each([
  `${A},${B}`,
  `${A}, ${B}`,
  `${A};${B}`,
  `${A} ${B}`,
  `${A}\n${B}`,
  `${A}|${B}`,
  `${A}${B}`,
  `["${A}","${B}"]`,
  `${A}","${B}`,
])('%j is two keys', (value) => expect(reasonOf(value)).toBe('several_keys'));

test.each([`${A},`, 'https://kimi.com/code', '/run/secrets/kimi', '~/key.txt', 'C:\\keys\\kimi.txt', 'Bearer sk-kimi-1'])(
  '%s is no key',
  (value) => expect(reasonOf(value)).toBe('malformed'),
);

test("another company's key does not go to Kimi, and goes to a gateway of one's own", () => {
  for (const key of ['sk-ant-api03-abc', 'sk-proj-abc', 'sk-or-v1-abc', 'AIzaSyabc', 'gsk_abc', 'xai-abc', 'ghp_abc']) {
    expect(reasonOf(key)).toBe('malformed');
    expect(reasonOf(key, 'https://api.moonshot.cn/v1')).toBe('malformed');
    expect(reasonOf(key, 'https://gateway.example/v1')).toBeNull();
  }
});

test.each([
  ['a.env', (key: string) => `KMI_API_KEY=${key}`],
  ['a.env', (key: string) => `KMI_API_KEY="${key}"`],
  ['a.toml', (key: string) => `[providers.kimi]\ntype = "kimi"\napi_key = '${key}'`],
  ['a.json', (key: string) => JSON.stringify({ providers: { kimi: { api_key: key } } })],
  ['a.bak', (key: string) => `KMI_API_KEY=${key}`],
])('a file %s with a placeholder or two keys is named, and nothing of it is quoted', async (name, content) => {
  for (const [value, reason] of [
    [`\${KIMI_API_KEY}`, 'placeholder'],
    ['<your key>', 'placeholder'],
    ['sk-kimi-xxxxxxxxx', 'placeholder'],
    [`${A},${B}`, 'several_keys'],
  ] as const) {
    const { keys, skipped } = await loadFiles({ [name]: content(value) });
    expect([keys, skipped.map((file) => file.reason)]).toEqual([[], [reason]]);
    expect(skipped[0]?.detail).not.toContain(value);
    expect(skipped[0]?.detail).not.toContain('aaaa');
  }
});

test.each([
  ['two lines', `KMI_API_KEY=${A}\nKMI_API_KEY=${B}\n`, B, 'KMI_API_KEY is set more than once'],
  ['a numbered name', `KMI_API_KEY=${A}\nKMI_API_KEY_2=${B}\n`, A, 'KMI_API_KEY_2 is not read'],
  ['a plural', `KMI_API_KEY=${A}\nKMI_API_KEYS=${B}\n`, A, 'KMI_API_KEYS is not read'],
  ['a line of its own', `KMI_API_KEY=${A}\n${B}\n`, A, 'Line 2 looks like a further key'],
])('of two keys by %s, one is used and the other is named', async (_how, content, used, remark) => {
  const { keys, skipped, remarks } = await loadFiles({ 'work.env': content });
  expect([keys.map(({ value }) => value), skipped]).toEqual([[used], []]);
  expect(remarks).toHaveLength(1);
  expect(remarks[0]?.file).toMatch(/work\.env$/);
  expect(remarks[0]?.detail).toContain(remark);
  expect(remarks[0]?.detail).toMatch(/file of its own\.$/);
  expect(remarks[0]?.detail).not.toMatch(/aaaa|bbbb/);
});

test.each([
  ['KMI_APIKEY=sk-x1', /KMI_APIKEY is not read; did you mean KMI_API_KEY\?$/],
  ['kmi_api_key=sk-x1', /kmi_api_key is not read; did you mean KMI_API_KEY\?$/],
  ['KIMI_API_KEY=sk-x1', /KIMI_API_KEY is not read; did you mean KMI_API_KEY\?$/],
  ['KMI_API_KEYS=sk-x1,sk-y1', /KMI_API_KEYS is not read; did you mean KMI_API_KEY\?$/],
  ['set KMI_API_KEY=sk-x1', /KMI_API_KEY in line 1 sets nothing; write KMI_API_KEY=value\.$/],
  [A, /It holds a key without a name; write KMI_API_KEY= before it\.$/],
  ['OPENAI_API_KEY=sk-x1', /^The file sets no KMI_API_KEY\.$/],
])('a file that says %s is told what to write', async (content, detail) => {
  const { skipped } = await loadFiles({ 'a.env': content });
  expect(skipped).toMatchObject([{ reason: 'no_key', detail: expect.stringMatching(detail) }]);
});

test.each([
  ['KMI_UPSTREAM_BASEURL=https://x.example', 'KMI_UPSTREAM_BASEURL is not read; did you mean KMI_UPSTREAM_BASE_URL?'],
  ['KMI_LABEL=work', 'KMI_LABEL is not read; did you mean KMI_KEY_LABEL?'],
  ['KMI_DRY_RUN=0', 'KMI_DRY_RUN is a setting and counts in .env, not beside a key.'],
  ['KMI_KEY_PRIORITY=high', 'KMI_KEY_PRIORITY is not a whole number and counts as 0.'],
  ['KMI_KEY_WEIGHT=0', 'KMI_KEY_WEIGHT is not a whole number from 1 to 1000 and counts as 100.'],
  ['KMI_KEY_WIGHT=7', 'KMI_KEY_WIGHT is not read; did you mean KMI_KEY_WEIGHT?'],
])('%s beside a key is named', async (line, detail) => {
  const { keys, remarks } = await loadFiles({ 'a.env': `KMI_API_KEY=${A}\n${line}\n` });
  expect(keys).toHaveLength(1);
  expect(remarks.map((remark) => remark.detail)).toEqual([detail]);
});

test('a key that may have been disabled is not used', async () => {
  const { keys, skipped } = await loadFiles({ 'a.env': `KMI_API_KEY=${A}\nKMI_KEY_DISABLED=ture\n` });
  expect(keys).toEqual([]);
  expect(skipped).toMatchObject([{ reason: 'malformed', detail: expect.stringMatching(/KMI_KEY_DISABLED is unclear/) }]);
});

test.each(['utf16le', 'utf16be'] as const)('a key file in %s is read', async (order) => {
  const bytes = (text: string) => (order === 'utf16le' ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf16le').swap16());
  const { keys, skipped } = await loadFiles({
    'a.env': bytes(`\uFEFFKMI_API_KEY=${A}\r\n`),
    'b.toml': bytes('[providers.kimi]\napi_key = "sk-kimi-toml"\n'),
    'c.json': bytes('\uFEFF{"providers":{"kimi":{"api_key":"sk-kimi-json"}}}'),
  });
  expect(skipped).toEqual([]);
  expect(keys.map(({ value }) => value)).toEqual([A, 'sk-kimi-toml', 'sk-kimi-json']);
});

test.each(['sk-kimi-abc/def', 'sk-kimi-abc\\def', '/sk-kimi-abc', 'kimi/sk-kimi-abc', 'secrets/kimi.key'])(
  '%s has a slash, as no key of Kimi has',
  (value) => expect(reasonOf(value)).toBe('malformed'),
);

test("a gateway's key may be base64", () => {
  expect(reasonOf('aGVsbG8/d29ybGQ+', 'https://gateway.example/v1')).toBe(null);
  expect(reasonOf('sk-a/b', 'https://gateway.example/v1')).toBe('malformed');
  expect(reasonOf('keys/kimi.txt', 'https://gateway.example/v1')).toBe('malformed');
});
