import { expect, test } from 'vitest';
import { loadFiles } from './auth-folder-fixture.ts';

/** How the one file's key stands: `serves`, `disabled`, or the reason why there is none. */
async function stateOf(name: string, content: string): Promise<string> {
  const { keys, skipped } = await loadFiles({ [name]: content });
  const [key] = keys;
  if (key !== undefined) return key.disabled ? 'disabled' : 'serves';
  return skipped[0]?.detail ?? '';
}

const json = (fields: object, top: object = {}) =>
  JSON.stringify({ ...top, providers: { kimi: { type: 'kimi', api_key: 'sk-kimi-one', ...fields } } });

test.each([
  ['disabled', { disabled: true }],
  ['disabled', { disabled: 'yes' }],
  ['disabled', { disabled: 1 }],
  ['disabled', { Disabled: true }],
  ['disabled', { is_disabled: 'on' }],
  ['disabled', { enabled: false }],
  ['disabled', { enabled: 'off' }],
  ['disabled', { enabled: true, disabled: true }],
  ['serves', { disabled: false }],
  ['serves', { disabled: null }],
  ['serves', { enabled: true }],
  ['serves', { enabled: '1', disabled: 'no' }],
])('a key is %s by %j of its provider', async (state, fields) => {
  expect(await stateOf('a.json', json(fields))).toBe(state);
  expect(await stateOf('a.json', json({}, fields))).toBe(state);
});

test.each([
  ['disabled = true', 'disabled'],
  ['enabled = false', 'disabled'],
  ['enabled = "no"', 'disabled'],
  ['disabled = 0', 'serves'],
  ['enabled = "yes"', 'serves'],
])('%s of a .toml means %s', async (line, state) => {
  expect(await stateOf('a.toml', `[providers.kimi]\ntype = "kimi"\napi_key = "sk-kimi-one"\n${line}\n`)).toBe(state);
});

test.each([{ disabled: 'perhaps' }, { disabled: '' }, { disabled: {} }, { disabled: [] }, { enabled: 2 }, { enabled: 'x' }])(
  'a key does not serve while %j is unclear',
  async (fields) => {
    const [name] = Object.keys(fields);
    expect(await stateOf('a.json', json(fields))).toBe(
      `Its ${name} is unclear, so the key is not used; accepted: true or false.`,
    );
  },
);

test.each([
  'KMI_DISABLED=1',
  'kmi_key_disabled=1',
  'KMI_KEY_DISABLE=yes',
  'KMI_KEY_DISABELD=true',
  'KMI_DISABLED=perhaps',
  'KIMI_KEY_DISABLED=1',
  'KEY_DISABLED=1',
  'DISABLED=true',
  'KMI_KEY_ENABLED=0',
  'enabled=false',
  'set KMI_KEY_DISABLED=1',
  'KMI_KEY_DISABLED 1',
  'K\u200bMI_KEY_DISABLED=1',
])('a key does not serve beside %j, which is not read', async (line) => {
  expect(await stateOf('a.env', `KMI_API_KEY=sk-kimi-one\n${line}\n`)).toMatch(
    /^\w+ is not read, so the key is not used; write KMI_KEY_DISABLED=1 or 0\.$/,
  );
});

test.each(['KMI_DISABLED=0', 'kmi_key_disabled=no', 'KMI_KEY_DISABLE=', 'ENABLED=1', '# KMI_DISABLED=1', 'KMI_KEY_WEIGTH=7'])(
  'a key serves beside %j',
  async (line) => {
    expect(await stateOf('a.env', `KMI_API_KEY=sk-kimi-one\n${line}\n`)).toBe('serves');
  },
);

test('the right switch counts beside a wrong one', async () => {
  expect(await stateOf('a.env', 'KMI_API_KEY=sk-kimi-one\nKMI_KEY_DISABLED=1\nKMI_DISABLED=1\n')).toBe('disabled');
});

test('priority and weight of a provider count, and are named when they are none', async () => {
  const { keys, remarks } = await loadFiles({
    'a.json': json({ priority: -7, weight: '20' }),
    'b.json': json({ api_key: 'sk-kimi-two', priority: 1.5, weight: 0 }),
    'c.toml': '[providers.kimi]\ntype = "kimi"\napi_key = "sk-kimi-three"\npriority = 5\nweight = 1000\n',
  });
  expect(keys.map(({ label, priority, weight }) => [label, priority, weight])).toEqual([
    ['c', 5, 1000],
    ['b', 0, 100],
    ['a', -7, 20],
  ]);
  expect(remarks.map(({ detail }) => detail)).toEqual([
    'Its priority is not a whole number and counts as 0.',
    'Its weight is not a whole number from 1 to 1000 and counts as 100.',
  ]);
});
