import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderLogLine } from '../../src/cli/proxy/logs/line.ts';
import { createStyle } from '../../src/cli/ui/style.ts';
import { loadConfig } from '../../src/config/load.ts';
import { parseUsage } from '../../src/core/quota/parse-usage.ts';
import { redact } from '../../src/core/text/redact.ts';
import { parseErrorBody } from '../../src/core/verdicts/error-answer.ts';
import { parseRetryAfter } from '../../src/core/verdicts/retry.ts';
import { judge } from '../../src/core/verdicts/verdict.ts';
import { timeOfLine } from '../../src/daemon/since.ts';
import { parseToml } from '../../src/files/toml-text.ts';
import { parseEnvFile } from '../../src/keys/env-file.ts';
import { replaceCredentials } from '../../src/keys/kimi-credentials.ts';
import { parseJsonFile, readProviders } from '../../src/keys/provider-file.ts';
import { errorText } from '../../src/proxy/http/error-text.ts';
import { parseTarget } from '../../src/proxy/http/target.ts';
import { parseState, renderState } from '../../src/state/schema.ts';
import { parseTraceLine } from '../../src/trace/trace-reader.ts';
import { cpuMs } from '../support/cpu-time.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const MB = 1024 * 1024;
/** Processor time: a megabyte takes milliseconds to read; a pattern that goes back and forth takes minutes. */
const MAX_MS = 2_500;

const fill = (part: string, head = '', tail = '') =>
  head + part.repeat(Math.ceil((MB - head.length - tail.length) / part.length)) + tail;

/** A megabyte of what patterns, recursion and escapes are bad at. */
const HOSTILE: readonly (readonly [string, string])[] = [
  ['blank lines', fill('\n')],
  ['blanks', fill(' ', 'KMI_API_KEY=', 'x')],
  ['blanks without a name', fill(' ')],
  ['tabs and returns', fill('\t\r')],
  ['an open quote', fill('x', 'KMI_API_KEY="')],
  ['many open quotes', fill('A="\n')],
  ['three kinds of quotes', fill(`A='"\`\n`)],
  ['escaped quotes', fill('\\"', 'KMI_API_KEY="')],
  ['backslashes', fill('\\')],
  ['export', fill('export ')],
  ['equals', fill('=')],
  ['hashes', fill('#')],
  ['slashes', fill('/', 'https://x/')],
  ['slashes in a setting', fill('/', 'KMI_UPSTREAM_BASE_URL=https://x/', 'x')],
  ['at signs', fill('@', '//')],
  ['dots', fill('.')],
  ['a deep array', fill('[')],
  ['a deep object', fill('{"a":')],
  ['a deep closed array', '['.repeat(MB / 2) + ']'.repeat(MB / 2)],
  ['a deep TOML array', fill('[', 'a = ')],
  ['TOML dots', fill('a.', '[', 'a]')],
  ['TOML tables', fill('[[a]]\n')],
  ['a long number', fill('9')],
  ['a long number in JSON', fill('9', '{"usage":{"limit":', '}}')],
  ['a long text of digits', `{"usage":{"limit":"${'9'.repeat(MB)}"}}`],
  ['Bearer', fill('Bearer ')],
  ['half a token', fill('eyJaaaaaaaa')],
  ['sk-', fill('sk-')],
  ['percent signs', fill('%25')],
  ['commas', fill(',')],
  ['NUL', fill('\0')],
  ['surrogates', fill('\ud800')],
  ['control characters', fill('\x1b[2J\x9b')],
  ['many names', `{"keys":{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":{}`).join(',')}}}`],
  [
    'prototypes',
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"keys":{"__proto__":{"polluted":1,"request_count":5}},"providers":{"__proto__":{"api_key":"x"}},"usage":{"__proto__":{"limit":1}},"error":{"__proto__":{"message":"x"}}}',
  ],
];

const style = createStyle({ color: false, plain: true });
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  '.env auth files': parseEnvFile,
  '.json auth files': (text) => parseJsonFile(text, 'https://x'),
  '.toml auth files': (text) => {
    const parsed = parseToml(text);
    return 'data' in parsed ? readProviders(parsed.data, 'https://x') : parsed;
  },
  "the Kimi CLI's config": (text) => replaceCredentials(text, null, { apiKey: 'k', baseUrl: 'https://x' }),
  state: (text) => {
    const parsed = parseState(text);
    return parsed === null ? null : renderState(parsed.state, parsed.unknowns);
  },
  '/usages': (text) => {
    let payload: unknown = text;
    try {
      payload = JSON.parse(text);
    } catch {
      // The text itself, then.
    }
    return parseUsage(payload, 0);
  },
  'error bodies': (text) =>
    [403, 429, 500].map((status) => judge(parseErrorBody(status, errorText(Buffer.from(text), undefined)))),
  'compressed error bodies': (text) =>
    ['gzip', 'br', 'deflate', 'x'].map((encoding) => errorText(Buffer.from(text, 'latin1'), encoding)),
  'Retry-After': (text) => parseRetryAfter(text, 0),
  'trace lines': parseTraceLine,
  'log lines': (text) => [renderLogLine(text, style), timeOfLine(text, 'UTC')],
  paths: (text) => {
    try {
      return parseTarget(`/kmi-rotor/v1/${text}`, '/kmi-rotor/v1');
    } catch (error) {
      expect(error).toMatchObject({ code: 'bad_path' });
      return null;
    }
  },
  redaction: (text) => redact(text, ['secret']),
};

const expectClean = () => expect(({} as Record<string, unknown>).polluted).toBeUndefined();

describe.each(Object.entries(PARSERS))('%s', (_, parse) => {
  it('survive a megabyte of anything, in bounded time', async () => {
    const slow: string[] = [];
    for (const [name, text] of HOSTILE) {
      const ms = await cpuMs(() => void parse(text));
      if (ms > MAX_MS) slow.push(`${name}: ${Math.round(ms)} ms`);
    }
    expect(slow).toEqual([]);
    expectClean();
  }, 60_000);

  it('survive any text', () => {
    const json = fc.json({ maxDepth: 6 });
    const names = fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'keys',
      'usage',
      'limits',
      'error',
      'providers',
      'api_key',
      'ts',
      'message',
    );
    const odd = fc.object({ key: names, maxDepth: 4 }).map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }), json, odd), (text) => {
        parse(text);
        expectClean();
      }),
      { numRuns: 300 },
    );
  });
});

describe('settings', () => {
  it('survive a megabyte of anything in every variable and in the env file, in bounded time', async () => {
    const home = await temporaryHome();
    const slow: string[] = [];
    const variables = [
      'KMI_UPSTREAM_BASE_URL',
      'KMI_PROXY_BASE_PATH',
      'KMI_PROXY_LISTEN',
      'KMI_TIMEZONE',
      'KMI_UPSTREAM_ALLOWLIST',
      'KMI_PROXY_ALLOWED_ORIGINS',
      'KMI_UPSTREAM_PROXY',
      'KMI_PROXY_MAX_RPS',
      'KMI_AUDIT_ACTOR',
      'KMI_LOCALE',
      'KMI_DRY_RUN',
    ];
    for (const [name, text] of HOSTILE) {
      await writeFile(join(home.root, '.env'), text.slice(0, MB));
      const all = Object.fromEntries(variables.map((variable) => [variable, text]));
      const ms = await cpuMs(() => {
        try {
          loadConfig({ ...home.env, ...all }, home.root);
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_settings' });
          expect((error as Error).message.length).toBeLessThan(5_000);
        }
      });
      if (ms > MAX_MS) slow.push(`${name}: ${Math.round(ms)} ms`);
    }
    expect(slow).toEqual([]);
    expectClean();
  }, 60_000);

  it('come from a file of at most 1 MiB, and from none that never ends', async () => {
    const home = await temporaryHome();
    const { code, stderr } = await runKmi(['config'], { env: { ...home.env, KMI_ENV_PATH: '/dev/zero' }, cwd: home.root });
    expect([code, stderr]).toEqual([2, expect.stringContaining('larger than 1 MiB')]);
  });
});

/** ESC, CSI and the like, line breaks aside, and characters that turn text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
const DANGEROUS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const EVIL = '\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066../../../etc/passwd\r\n\x00';

async function hostileHome(): Promise<TemporaryHome> {
  const home = await temporaryHome();
  const labels = [
    '__proto__',
    'constructor',
    'toString',
    EVIL,
    '../../../tmp/x',
    'a/b',
    'C:\\x',
    ' ',
    'x'.repeat(5_000),
    '-rf',
    '--json',
    '$(id)',
    '"quoted"',
    '%s%n',
    '\u0000',
  ];
  for (const [n, label] of labels.entries()) {
    const text = JSON.stringify({
      providers: {
        [label]: { api_key: `sk-kimi-${n}-0123456789`, base_url: 'https://api.kimi.com/coding/v1', email: `${EVIL}@x.example` },
      },
    });
    await writeFile(join(home.authsDir, `f${n}.json`), text, { mode: 0o600 });
    await writeFile(
      join(home.authsDir, `e${n}.env`),
      `KMI_API_KEY=sk-kimi-e${n}-0123456789\nKMI_KEY_LABEL=${label.replace(/[\r\n\0]/g, ' ')}\n`,
      { mode: 0o600 },
    );
  }
  await writeFile(join(home.authsDir, `\x1b[31mred\u202e.env`), 'KMI_API_KEY=sk-kimi-name-0123456789\n', { mode: 0o600 });
  await writeFile(join(home.authsDir, '__proto__.env'), 'KMI_API_KEY=sk-kimi-proto-0123456789\n', { mode: 0o600 });
  await mkdir(join(home.stateDir, 'trace'), { recursive: true, mode: 0o700 });
  await mkdir(join(home.stateDir, 'logs'), { mode: 0o700 });
  const key = { request_count: 3, blocked_reason: EVIL, exhausted_until: '2099-01-01T00:00:00Z' };
  const state = `{"schema_version":1,"active_key":${JSON.stringify(EVIL)},"keys":{"__proto__":${JSON.stringify(key)},"e4":${JSON.stringify(key)},${JSON.stringify(EVIL)}:{}}}`;
  await writeFile(join(home.stateDir, 'state.json'), state, { mode: 0o600 });
  const event = {
    schema_version: 1,
    ts: EVIL,
    request_id: `0123456789${EVIL}`,
    method: EVIL,
    endpoint: EVIL,
    status: 500,
    latency_ms: 1,
    key_label: EVIL,
    key_hash: EVIL,
    rotation_index: 0,
    error_code: EVIL,
    prompt_hint: EVIL,
    prompt_head: EVIL,
    choice: EVIL,
    tried: [{ key_label: EVIL, status: 429, verdict: EVIL }],
    skipped: [{ key_label: EVIL, reason: EVIL }],
  };
  const lines = [
    JSON.stringify(event),
    '{"torn',
    EVIL,
    JSON.stringify({ ...event, request_id: 'f00dfeed' }),
    'null',
    '[]',
    '{"__proto__":1}',
    '\xff\xfe',
    'x'.repeat(MB + 10),
  ];
  await writeFile(join(home.stateDir, 'trace', 'trace.jsonl'), `${lines.join('\n')}\n`, { mode: 0o600 });
  const log = [
    JSON.stringify({ level: EVIL, ts: EVIL, message: EVIL, [EVIL]: EVIL }),
    EVIL,
    '{"ts":1,"level":2,"message":{"a":"\\u009b"}}',
    'x'.repeat(MB + 10),
  ];
  for (const name of ['kmi.log', 'proxy.out'])
    await writeFile(join(home.stateDir, 'logs', name), `${log.join('\n')}\n`, { mode: 0o600 });
  return home;
}

it('labels and files with control characters, path parts and names of prototypes are shown and stored safely', async () => {
  const home = await hostileHome();
  const commands = [
    ...[
      ['status'],
      ['keys'],
      ['health'],
      ['rotate'],
      ['trace', '--last', '10'],
      ['why', 'last'],
      ['why', 'f00dfeed'],
      ['doctor'],
    ],
    ...[['completion', '--labels'], ['config'], ['current']],
  ];
  const env = { ...home.env, KMI_PLAIN: '1', KMI_AUDIT_ACTOR: EVIL.replaceAll('\0', '') };
  for (let n = 0; n < commands.length; n += 4) {
    const batch = commands.slice(n, n + 4);
    const results = await Promise.all(batch.map((args) => runKmi(args, { env, cwd: home.root })));
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      const name = batch[index]?.join(' ');
      expect([name, [0, 1].includes(code as number)]).toEqual([name, true]);
      expect([name, ...`${stdout}${stderr}`.split('\n').filter((line) => DANGEROUS.test(line))]).toEqual([name]);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  }
  // `kmi logs` shows them through this.
  for (const name of ['kmi.log', 'proxy.out']) {
    const log = await readFile(join(home.stateDir, 'logs', name), 'utf8');
    expect(
      log
        .split('\n')
        .flatMap((line) => renderLogLine(line, style))
        .filter((line) => DANGEROUS.test(line)),
    ).toEqual([]);
  }
  // Labels that would be names of every object, or paths, became plain names of keys.
  const { keys } = JSON.parse((await runKmi(['keys', 'list', '--json'], { env, cwd: home.root })).stdout);
  const labels: string[] = keys.map(({ label }: { label: string }) => label);
  expect(labels.length).toBe(32);
  for (const label of labels) {
    expect(label in Object.prototype).toBe(false);
    expect(label).not.toMatch(DANGEROUS);
    expect(label.length).toBeLessThanOrEqual(90);
  }
  const state = JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8'));
  expect(Object.hasOwn(state.keys, '__proto__')).toBe(true);
  expect(state.schema_version).toBe(1);
}, 40_000);

it.each([
  ['a deep state', '['.repeat(500_000), true],
  [
    'a deep unknown field',
    `{"schema_version":1,"auto_rotate":true,"keys":{},"extra":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
    true,
  ],
  ['a state that is text', '"x"', true],
  [
    'a state of wrong types',
    '{"schema_version":"x","active_index":-1e400,"keys":[1,2],"auto_rotate":"yes","last_health_refresh":[]}',
    false,
  ],
])('%s is taken in or moved aside, and the next choice is kept', async (_, text, movedAside) => {
  const home = await temporaryHome();
  await home.addKey({ label: 'a' });
  await mkdir(home.stateDir, { mode: 0o700 });
  await writeFile(join(home.stateDir, 'state.json'), text, { mode: 0o600 });
  const { code, stderr } = await runKmi(['rotate'], { env: home.env, cwd: home.root });
  expect([code, stderr.includes('moved aside')]).toEqual([0, movedAside]);
  expect(JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8')).active_key).toBe('a');
});
