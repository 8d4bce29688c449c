import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { differsOnlyIn, type Replacement, replaceCredentials } from '../../src/keys/kimi-credentials.ts';

const NEW = { apiKey: 'sk-new', baseUrl: 'https://api.kimi.ai/coding/v1' };
const OLD_URL = 'https://api.kimi.com/coding/v1';

function replace(text: string, provider: string | null = null, credentials = NEW): Replacement {
  const result = replaceCredentials(text, provider, credentials);
  if ('problem' in result) throw new Error(result.problem);
  return result;
}

test('only the two values change, in a config as the Kimi CLI writes it', () => {
  const config = (key: string, url: string) => `# mine
default_model = "kimi-code/k3"   # the best

[models."kimi-code/k3"]
provider = "managed:kimi-code"
model = "k3"

[providers."managed:kimi-code"] # do not touch
type = "kimi"
base_url  =  "${url}" # upstream
\tapi_key="${key}"
custom_headers = { "X-A" = "api_key = 'b'" }

[providers.other]
api_key = "sk-other"

[mcp.client]
tool_call_timeout_ms = 60_000
`;
  expect(replace(config('sk-old', OLD_URL))).toEqual({
    text: config(NEW.apiKey, NEW.baseUrl),
    provider: 'managed:kimi-code',
    changed: ['api_key', 'base_url'],
    previousBaseUrl: OLD_URL,
    hasOauth: false,
  });
});

// KEY and URL stand for the values. Each is one way to write the same provider.
test.each([
  ['spaced header', '[ providers . \'x\' ]\napi_key = "KEY"\nbase_url = "URL"\n'],
  ['escaped header', '[providers."\\u0078"]\napi_key = "KEY"\nbase_url = "URL"\n'],
  ['dotted keys at the root', 'providers.x.api_key = "KEY"\nproviders . "x" . base_url = "URL"'],
  ['dotted keys in a table', '[providers]\nx.api_key = "KEY"\nx.\'base_url\' = "URL"\n'],
  ['quoted keys', '[providers.x]\n"api_key" = "KEY"\n\'base_url\' = "URL"\n'],
  ['an inline table', '[providers]\nx = { api_key = "KEY", type = "kimi", base_url = "URL" }\n'],
  ['nested inline tables', 'a = 1\nproviders = { y = { api_key = "" }, x = { base_url="URL",api_key="KEY" } }'],
  ['an inline table over lines', 'providers = {\n  x = {\n    api_key = "KEY", # }\n    base_url = "URL",\n  },\n}\n'],
  ['literal strings', "[providers.x]\napi_key = 'KEY'\nbase_url = 'URL'\n"],
  ['multi-line strings', '[providers.x]\napi_key = """KEY"""\nbase_url = \'\'\'URL\'\'\'\n'],
  ['CRLF without final newline', '\uFEFF[providers.x]\r\napi_key = "KEY" # c\r\nbase_url = "URL"'],
  [
    'look-alikes before',
    'a = """\n[providers.x]\napi_key = "no"\n"""\n[[list]]\napi_key = "no"\n[providers.x]\napi_key = "KEY"\nbase_url = "URL"',
  ],
  [
    'arrays around',
    'a = [ "[providers.x]", [ { api_key = "no" } ], # ]\n]\n[providers.x]\nb = ["\\""]\napi_key = "KEY"\nbase_url = "URL"',
  ],
  [
    'dates and numbers',
    '[providers.x]\na = 2026-01-01 10:00:00Z # x\nb = 9223372036854775807\napi_key = "KEY"\nc = -inf\nbase_url = "URL"',
  ],
  [
    'a sub-table first',
    '[providers.x.env]\napi_key = "no"\n[providers.x]\napi_key = "KEY"\nbase_url = "URL"\n[providers.x.more]\nbase_url = "no"',
  ],
])('values are found in %s', (_what, template) => {
  const filled = (key: string, url: string) => template.replace('KEY', () => key).replace('URL', () => url);
  expect(replace(filled('sk-old', OLD_URL), 'x').text).toBe(filled(NEW.apiKey, NEW.baseUrl));
});

test('values that their old kind of string cannot hold are written as basic strings', () => {
  const apiKey = `a'b"c\\d`;
  const { text } = replace("[providers.x]\napi_key = 'old'\n", 'x', { ...NEW, apiKey });
  expect(text).toBe(`[providers.x]\napi_key = "a'b\\"c\\\\d"\n`);
  expect(replace('[providers.x]\napi_key = """o\nld"""\n', 'x', { ...NEW, apiKey }).text).toBe(text);
  expect(replace('[providers.x]\napi_key = 5 # number\n', 'x').text).toBe('[providers.x]\napi_key = "sk-new" # number\n');
});

test.each([
  ['under its header', '[providers.x] # c\ntype = "kimi"\n', '[providers.x] # c\napi_key = "sk-new"\ntype = "kimi"\n'],
  ['under an indented header', '  [providers.x]\r\n  a = 1\r\n', '  [providers.x]\r\n  api_key = "sk-new"\r\n  a = 1\r\n'],
  ['under a header at the end', 'a = 1\n[providers.x]', 'a = 1\n[providers.x]\napi_key = "sk-new"'],
  ['in an inline table', 'providers = { x = { type = "kimi" } }', 'providers = { x = { api_key = "sk-new", type = "kimi" } }'],
  ['in an empty inline table', '[providers]\nx = {}', '[providers]\nx = { api_key = "sk-new" }'],
  ['in a blank inline table', '[providers]\nx = { }', '[providers]\nx = { api_key = "sk-new" }'],
  ['before dotted keys', '[providers]\n  "x".type = "kimi"\n', '[providers]\n  "x".api_key = "sk-new"\n  "x".type = "kimi"\n'],
  ['before dotted keys at the root', 'providers.x.a.b = 1', 'providers.x.api_key = "sk-new"\nproviders.x.a.b = 1'],
  ['before inline dotted keys', 'providers = { x.a = 1 }', 'providers = { x.api_key = "sk-new", x.a = 1 }'],
  [
    'before a sub-table',
    "b = 1\n[providers.'x'.env]\na = 1\n",
    "b = 1\n[providers.'x']\napi_key = \"sk-new\"\n\n[providers.'x'.env]\na = 1\n",
  ],
  ['before a list of tables', '[[providers.x.a]]\nb = 1\n', '[providers.x]\napi_key = "sk-new"\n\n[[providers.x.a]]\nb = 1\n'],
])('a missing api_key is inserted %s', (_where, before, after) => {
  expect(replace(before, 'x')).toMatchObject({ text: after, changed: ['api_key'] });
});

test('a provider that is logged in by OAuth gets the key, and that is said', () => {
  const result = replace('[providers."managed:kimi-code"]\napi_key = ""\n[providers."managed:kimi-code".oauth]\nkey = "file"\n');
  expect(result).toMatchObject({ hasOauth: true, changed: ['api_key'] });
  expect(result.text).toContain('api_key = "sk-new"\n');
});

test('a base URL is kept where it is missing, means the same, or belongs to another protocol of the same host', () => {
  const config = (more: string) => `[providers.x]\napi_key = "sk-new"\n${more}`;
  for (const more of ['', `base_url = "${NEW.baseUrl}/"`, 'type = "anthropic"\nbase_url = "https://api.kimi.ai/coding/"']) {
    expect(replace(config(more), 'x')).toMatchObject({ text: config(more), changed: [] });
  }
  expect(replace(config('type = "anthropic"\nbase_url = "https://api.kimi.com/coding/"'), 'x').changed).toEqual(['base_url']);
  expect(replace(config('base_url = "nonsense"'), 'x').changed).toEqual(['base_url']);
});

const provider = (name: string, more = 'api_key = "k"') => `[providers."${name}"]\n${more}\n`;

test.each([
  [
    'the default model names it',
    `default_model = "m"\n[models.m]\nprovider = "mine"\n${provider('managed:kimi-code')}${provider('mine')}`,
    'mine',
  ],
  [
    'no default model',
    provider('moonshot-ai') + provider('kimi-for-coding') + provider('managed:kimi-code'),
    'managed:kimi-code',
  ],
  ['the default model is unknown', `default_model = "m"\n${provider('moonshot-ai')}`, 'moonshot-ai'],
  ['the first with a key', provider('a', 'type = "kimi"') + provider('b') + provider('c'), 'b'],
  [
    "not another company's",
    provider('a', 'type = "openai"\nbase_url = "https://api.openai.com/v1"\napi_key = "k"') + provider('b'),
    'b',
  ],
  ['Kimi by another protocol', provider('a', 'type = "anthropic"\nbase_url = "https://api.kimi.com/coding"\napi_key = "k"'), 'a'],
  ['not what every object has', `default_model = "constructor"\n[models.m]\nprovider = "x"\n${provider('b')}`, 'b'],
  ['a provider named __proto__', provider('__proto__'), '__proto__'],
])('the provider is chosen: %s', (_why, config, name) => {
  const { text, provider: chosen } = replace(config);
  expect(chosen).toBe(name);
  expect(Object.entries((parse(text) as { providers: object }).providers).find(([key]) => key === name)?.[1]).toMatchObject({
    api_key: 'sk-new',
  });
});

test.each([
  ['no provider', 'a = 1', null],
  ['only a stranger', '[providers.a]\ntype = "openai"\napi_key = "sk-secret"\n', null],
  ['a list of providers', '[[providers]]\napi_key = "sk-secret"\n', null],
  ['no such provider', '[providers.a]\napi_key = "sk-secret"\n', 'b'],
  ['an inherited name', '[providers.a]\napi_key = "sk-secret"\n', 'constructor'],
  ['broken TOML', '[providers.a]\napi_key = "sk-secret\n', null],
  ['a value that is no table', 'providers.a = "sk-secret"', 'a'],
])('%s is a problem that quotes nothing', (_what, text, name) => {
  const result = replaceCredentials(text, name, NEW);
  expect(result).toEqual({ problem: expect.stringMatching(/^The file [^\n]+\.$/) });
  expect(JSON.stringify(result)).not.toContain('sk-secret');
});

test('an edit that changed, lost or broke anything else is not accepted', () => {
  const before = 'a = 1\n[providers.x]\napi_key = "old"\ntype = "kimi"\n[providers.y]\napi_key = "y"\n';
  const accepts = (edited: string, wanted = { api_key: 'new' }) => differsOnlyIn(wanted, parse(before), edited, 'x');
  const good = before.replace('old', 'new');
  expect(accepts(good)).toBe(true);
  expect(accepts(`# comment\n${good}`)).toBe(true);
  expect(accepts(before)).toBe(false);
  expect(accepts(good.replace('a = 1', 'a = 2'))).toBe(false);
  expect(accepts(good.replace('type = "kimi"', ''))).toBe(false);
  expect(accepts(good.replace('"y"', '"new"'))).toBe(false);
  expect(accepts(`${good}b = 1\n`)).toBe(false);
  expect(accepts(good.replace('[providers.x]', '[providers.z]'))).toBe(false);
  expect(accepts(`${good}=`)).toBe(false);
});

test('any text gives a problem or a text that parses', () => {
  const pieces = fc.constantFrom(
    ...[
      '[providers.x]\n',
      '[providers]\n',
      'api_key',
      'base_url',
      'x',
      'providers',
      '=',
      '.',
      '"',
      "'",
      '"""',
      '{',
      '}',
      '[',
      ']',
      ',',
      '#',
      '\n',
      '\r\n',
      '1',
      ' ',
    ],
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 25 }), fc.constantFrom(null, 'x', '__proto__'), (parts, name) => {
      const result = replaceCredentials(parts.join(''), name, NEW);
      if ('text' in result) parse(result.text);
    }),
    { numRuns: 3000 },
  );
});

type Choices = {
  readonly style: 'table' | 'inline' | 'nested inline' | 'dotted' | 'root dotted';
  readonly name: string;
  readonly quote: 'bare' | '"' | "'";
  readonly fences: readonly [string, string];
  readonly space: string;
  readonly noise: readonly string[];
  readonly isKeyFirst: boolean;
  readonly lineEnding: string;
  readonly endsInLine: boolean;
  readonly startsWithMark: boolean;
};

/** A config in the form that was chosen, with these credentials. */
function write(choices: Choices, apiKey: string, baseUrl: string): string {
  const { style, space, noise, isKeyFirst, fences } = choices;
  const name = choices.quote === 'bare' ? choices.name.replaceAll(':', '-') : choices.quote + choices.name + choices.quote;
  const equals = `${space}=${space}`;
  const pairs = [`api_key${equals}${fences[0]}${apiKey}${fences[0]}`, `base_url${equals}${fences[1]}${baseUrl}${fences[1]}`];
  if (!isKeyFirst) pairs.reverse();
  const [first = '', second = ''] = pairs;
  const [a = '', b = '', c = ''] = noise;
  const provider = {
    table: [
      '',
      `[${space}providers${space}.${space}${name}${space}]${space}# api_key = "no"`,
      `${space}${first}${space}# c`,
      b,
      second,
      '[after]',
    ],
    inline: ['[providers]', `${name}${equals}{ type="kimi",${space}${first} ,${second}${space}}`, '[after]'],
    'nested inline': [`providers${equals}{ other${equals}{ api_key = "no" }, ${name}${equals}{${first},${second}}}`, '[after]'],
    dotted: ['[providers]', `${name}${space}.${first}`, '# base_url = "no"', `${name}.${second}`, '[after]'],
    'root dotted': [`providers.${name}.${first}`, `providers${space}.${space}${name}.${second}`, '[after]'],
  }[style];
  const lines = ['# my config', a, ...provider, c, `[hooks${space}.more]`, 'list = [ 1,', '  "]", # [providers.x]', ']'];
  const text = lines.join(choices.lineEnding) + (choices.endsInLine ? '' : choices.lineEnding);
  return (choices.startsWithMark ? '\uFEFF' : '') + text;
}

test('real-looking configs survive a key change byte for byte outside the credentials', () => {
  const noise = fc.constantFrom(
    ...[
      '',
      '# api_key = "x"',
      '\t# a comment: ü 余额',
      'e1 = """\n[providers.x]\napi_key = "x\\""""',
      "e2 = '''a''b'''",
      'e3 = { a = [ { b = "}" } ] }',
    ],
    ...['e4 = 1979-05-27 07:32:00-08:00', '"e 5"."x" = 0xff_ff', 'e6 = 1e9'],
  );
  const choices = fc.record({
    style: fc.constantFrom<Choices['style'][]>('table', 'inline', 'nested inline', 'dotted', 'root dotted'),
    name: fc.constantFrom('managed:kimi-code', 'kimi-for-coding', 'moonshot-ai', 'x'),
    quote: fc.constantFrom<Choices['quote'][]>('"', "'"),
    fences: fc.tuple(fc.constantFrom('"', "'", '"""', "'''"), fc.constantFrom('"', "'", '"""', "'''")),
    space: fc.constantFrom('', ' ', '\t ', '   '),
    noise: fc.uniqueArray(noise, { minLength: 3, maxLength: 3 }),
    isKeyFirst: fc.boolean(),
    lineEnding: fc.constantFrom('\n', '\r\n'),
    endsInLine: fc.boolean(),
    startsWithMark: fc.boolean(),
  });
  const apiKey = fc.stringMatching(/^sk-kimi-[A-Za-z0-9_-]{1,60}$/);
  const url = fc.constantFrom(OLD_URL, NEW.baseUrl, 'https://api.moonshot.cn/v1');
  fc.assert(
    fc.property(choices, apiKey, apiKey, url, url, (choices, oldKey, newKey, oldUrl, newUrl) => {
      const result = replaceCredentials(write(choices, oldKey, oldUrl), choices.name, { apiKey: newKey, baseUrl: newUrl });
      expect(result).toMatchObject({ text: write(choices, newKey, newUrl) });
    }),
    { numRuns: 400 },
  );
});
