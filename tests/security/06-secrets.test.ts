import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { homeWithPort, type TemporaryHome, temporaryHome } from '../support/home.ts';
import { type BinaryProxy, startBinaryProxy } from '../support/proxy.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { readEverything } from './read-everything.ts';

/** In every key and token of this file; nothing that is printed or written may hold it. */
const MARK = 'Zq7Marked';
const KEYS = {
  env: `sk-kimi-${MARK}-env-0123456789`,
  toml: `sk-kimi-${MARK}-toml-0123456789`,
  json: `${MARK}/json+odd="key"\\with=everything`,
  bak: `${MARK}.bak.0123456789`,
  nested: `sk-${MARK}-nested-0123456789`,
} as const;
const TOKEN = `${MARK}-client-token`;

/** As it stands, in JSON, in a URL, in base64 and backwards: no one writes a key backwards, but a test of the search itself. */
const FORMS = [MARK, Buffer.from(KEYS.env).toString('base64').slice(0, 24), encodeURIComponent(KEYS.json)];
const leaksIn = (text: string) => FORMS.filter((form) => text.includes(form));

type Echo = {
  readonly name: string;
  readonly status: number;
  readonly headers: readonly string[];
  readonly chunks: readonly (Buffer | string)[];
};

/** Ways an upstream may repeat the key it was called with. */
function echoesOf(key: string): readonly Echo[] {
  const escaped = [...key].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const json = ['content-type', 'application/json'];
  const error = (status: number, message: string) => ({
    status,
    headers: json,
    chunks: [JSON.stringify({ error: { message, type: message, code: message } })],
  });
  const half = Math.floor(key.length / 2);
  return [
    { name: 'a refusal', ...error(401, `Incorrect API key provided: ${key}`) },
    { name: 'a bill', ...error(402, `Account of ${key} has no balance`) },
    { name: 'a quota text', ...error(429, `${key}: You exceeded your current token quota`) },
    { name: 'an outage', ...error(500, `stack: Authorization: Bearer ${key}`) },
    {
      name: 'escaped JSON',
      status: 403,
      headers: json,
      chunks: [`{"error":{"message":"usage limit for this period ${escaped}"}}`],
    },
    {
      name: 'HTML',
      status: 502,
      headers: ['content-type', 'text/html'],
      chunks: [`<html><title>${key}</title><pre>${key}</pre>`],
    },
    { name: 'plain text', status: 503, headers: ['content-type', 'text/plain'], chunks: [key] },
    { name: 'halves', status: 429, headers: json, chunks: ['{"error":{"message":"', key.slice(0, half), key.slice(half), '"}}'] },
    {
      name: 'compressed',
      status: 403,
      headers: [...json, 'content-encoding', 'gzip'],
      chunks: [gzipSync(JSON.stringify({ error: { message: key } }))],
    },
    {
      name: 'headers',
      status: 401,
      headers: ['www-authenticate', `Bearer error="${key.replaceAll(/["\\]/g, '')}"`, 'x-request-id', key, 'retry-after', key],
      chunks: [],
    },
    {
      name: 'quota names',
      status: 200,
      headers: json,
      chunks: [
        JSON.stringify({
          user: { membership: { level: key } },
          usage: { name: key, limit: '100', used: '5', resetAt: key },
          limits: [{ name: key, detail: { limit: 10, used: 1, reset_at: key } }],
          usages: { [key]: { limit: 1, used: 0, name: key } },
        }),
      ],
    },
    {
      name: 'escaped quota names',
      status: 200,
      headers: json,
      chunks: [`{"usage":{"name":"${escaped}","limit":"100","used":"5"},"subType":"${escaped}"}`],
    },
  ];
}

async function writeKeys(home: TemporaryHome): Promise<void> {
  const quoted = JSON.stringify(KEYS.json);
  await mkdir(join(home.authsDir, 'nested'));
  const files: Record<string, string> = {
    'env.env': `KMI_API_KEY='${KEYS.env}'\nKMI_ACCOUNT_EMAIL=ada@example.com\n`,
    'toml_config.toml': `default_model = "m"\n[providers."managed:kimi-code"]\napi_key = "${KEYS.toml}"\n`,
    'json.json': `{"providers":{"moonshot-ai":{"api_key":${quoted},"account":${quoted}}}}`,
    'old.json.bak': `{"providers":{"x":{"api_key":"${KEYS.bak}"}}}`,
    'nested/config.toml': `[providers.x]\napi_key = "${KEYS.nested}"\n`,
    // Files that give no key: what is said of them must not quote them.
    'twice.env': `KMI_API_KEY=${KEYS.env}\n`,
    'labelled.env': `KMI_API_KEY=${MARK}-labelled\nKMI_KEY_LABEL=${MARK}-labelled\n`,
    'torn.json': `{"providers":{"x":{"api_key":"${KEYS.json.replaceAll('"', '')}`,
    'torn.toml': `[providers.x]\napi_key = "${KEYS.toml}\nbase_url = "x"\n`,
    'wrong.toml': `[providers.x]\napi_key = ["${KEYS.toml}"]\n`,
    'url.env': `KMI_API_KEY=${MARK}-url\nKMI_UPSTREAM_BASE_URL=https://user:${MARK}@evil.example/${MARK}\n`,
    'blank.env': `KMI_API_KEY=${MARK} with blanks\n`,
    'wide.env': `KMI_API_KEY=${MARK}-ключ\n`,
    'bare.bak': `${KEYS.bak} and nothing else`,
    'binary.env': `KMI_API_KEY=${MARK}\xff\xfe\x00`,
  };
  for (const [name, text] of Object.entries(files))
    await writeFile(join(home.authsDir, name), Buffer.from(text, 'latin1'), { mode: 0o600 });
}

let proxy: BinaryProxy;
let home: TemporaryHome;
let env: Record<string, string>;

beforeAll(async () => {
  // A second proxy on its port is refused.
  home = await homeWithPort();
  await writeKeys(home);
  await mkdir(join(home.root, '.kimi'), { mode: 0o700 });
  const kimi = `default_model = "kimi"\n[models.kimi]\nprovider = "managed:kimi-code"\n[providers."managed:kimi-code"]\napi_key = "${MARK}-of-the-person"\nbase_url = "https://api.kimi.com/coding/v1"\n`;
  await writeFile(join(home.root, '.kimi', 'config.toml'), kimi, { mode: 0o600 });
  const accounts = [
    ...Object.entries(KEYS).map(([name, key]) => ({ name, keys: [key] })),
    { name: 'labelled', keys: [`${MARK}-labelled`] },
  ];
  const settings = {
    KMI_PROXY_TOKEN: TOKEN,
    KMI_AUTO_ROTATE_ALLOWED: '1',
    KMI_PROXY_FAILOVER_MAX: '10',
    KMI_AUTO_ROTATE_E2E: '0',
    KMI_TRACE_PROMPTS: '1',
  };
  proxy = await startBinaryProxy({ home, accounts, writeKeys: async () => undefined, settings, autoRotate: true });
  env = {
    ...home.env,
    ...settings,
    KMI_UPSTREAM_BASE_URL: proxy.simulator.baseUrl,
    KMI_DRY_RUN: '0',
    KMI_USAGE_CACHE_SECONDS: '0',
    USER: 'ada',
  };
});

/** All files but those the keys are in: the auth files, and the Kimi CLI's config, which gets a key on purpose. */
async function writtenFiles(): Promise<string[]> {
  const files = await readEverything(home.root);
  return files
    .filter(({ path }) => !path.startsWith(home.authsDir) && !path.includes('/.kimi/'))
    .map(({ path, text }) => `${path}\n${text}`);
}

/** Each account repeats its key in another way; after two rounds every way was met. */
const ROUNDS = [0, 1];

function strike(simulator: Simulator, round: number, on?: 'usages'): void {
  const keys = Object.entries({ ...KEYS, labelled: `${MARK}-labelled` });
  for (const [index, [name, key]] of keys.entries()) {
    const { status, headers, chunks } = echoesOf(key)[round * keys.length + index] as Echo;
    simulator.account(name).heal();
    simulator.account(name).respondWith({ status, headers, chunks }, on === undefined ? {} : { on: [on] });
  }
}

const run = (args: readonly string[], stdin?: string) =>
  runKmi(args, { env, cwd: home.root, ...(stdin === undefined ? {} : { stdin }) });

/** Runs commands, a few at a time, and answers what they printed. */
async function runAll(commands: readonly (readonly string[])[], stdin?: string): Promise<string[]> {
  const printed: string[] = [];
  for (let n = 0; n < commands.length; n += 4) {
    const results = await Promise.all(commands.slice(n, n + 4).map((args) => run(args, stdin)));
    printed.push(...results.map(({ stdout, stderr }, index) => `${commands[n + index]?.join(' ')}\n${stdout}${stderr}`));
  }
  return printed;
}

const leaking = (texts: readonly string[]) => texts.filter((text) => leaksIn(text.slice(text.indexOf('\n'))).length > 0);

it('whatever the upstream repeats, the proxy writes none of it down', async () => {
  for (const round of ROUNDS) {
    strike(proxy.simulator, round);
    for (const stream of [true, false]) {
      for (let n = 0; n < 4; n++) {
        await proxy.chat(
          { stream, messages: [{ role: 'user', content: `${KEYS.env} is my sk-kimi-${MARK}-own key` }] },
          {
            headers: { authorization: `Bearer ${TOKEN}`, cookie: `key=${MARK}`, 'x-api-key': `${MARK}-wrong`, 'x-secret': MARK },
          },
        );
      }
    }
    await runKmi(['doctor', '--clear-blocklist'], { env, cwd: home.root });
  }
  await proxy.send(`/models?api_key=${MARK}`, { method: 'GET', headers: { authorization: `Bearer ${TOKEN}` } });
  await proxy.send('/models', { method: 'GET', headers: { authorization: `Bearer ${MARK}-wrong` } });
  await proxy.trace(16);
  expect(leaking(await writtenFiles())).toEqual([]);
  expect(leaksIn(proxy.kmi.output())).toEqual([]);
}, 60_000);

it('no command prints or writes a key, however `/usages` repeats it', async () => {
  const printed: string[] = [];
  for (const round of ROUNDS) {
    strike(proxy.simulator, round, 'usages');
    printed.push(
      ...(await runAll([['health'], ['health', '--json'], ['keys', 'test'], ['doctor', '--recheck-keys'], ['rotate']])),
    );
  }
  expect(leaking(printed)).toEqual([]);
  expect(leaking(await writtenFiles())).toEqual([]);
}, 60_000);

it('no command prints a key on its ordinary ways and its wrong ways', async () => {
  const printed = await runAll([
    ...[
      ['status'],
      ['status', '--json'],
      ['keys'],
      ['keys', 'list', '--json'],
      ['keys', 'test', '--json'],
      ['current'],
      ['current', '--json'],
    ],
    ...[
      ['rotate', 'auto'],
      ['rotate', 'off'],
      ['trace', '--last', '50'],
      ['trace', '--json', '--last', '50'],
      ['why', 'last'],
      ['why', 'last', '--json'],
    ],
    ...[
      ['doctor'],
      ['doctor', '--json'],
      ['config'],
      ['config', '--json'],
      ['proxy-logs', '--no-follow'],
      ['proxy-logs', '--app', '--no-follow', '-n', '1000'],
    ],
    ...[
      ['completion', 'bash'],
      ['completion', '--labels'],
      ['e2e', '-n', '2', '--batch', '2', '--pause', '0'],
      ['proxy'],
      ['proxy', '--foreground'],
    ],
    // A key typed where none belongs.
    ...[
      ['keys', 'add', '--key', KEYS.env],
      ['keys', 'add', KEYS.env],
      ['keys', 'remove', KEYS.env, '-y'],
      ['keys', 'rename', 'env', KEYS.env],
    ],
    ...[
      ['keys', 'test', KEYS.env],
      ['keys', 'disable', KEYS.env],
      ['why', KEYS.env],
      ['init', '--label', KEYS.env, '--yes'],
      ['status', KEYS.env],
    ],
  ]);
  printed.push(
    ...(await runAll(
      [
        ['keys', 'add', 'again'],
        ['keys', 'add', 'again', '--no-test'],
        ['init', '--key-stdin', '--yes'],
      ],
      `${KEYS.env}\n`,
    )),
  );
  printed.push(
    ...(await runAll(
      [
        ['keys', 'add', 'new'],
        ['keys', 'add', 'torn', '--base-url', 'https://127.0.0.1:9/v1'],
      ],
      `${MARK}-new-key\n`,
    )),
  );
  expect(leaking(printed)).toEqual([]);
  expect(leaking(await writtenFiles())).toEqual([]);
}, 60_000);

it('a bad setting that holds a secret is named without it', async () => {
  const bad = {
    KMI_UPSTREAM_PROXY: `ftp://${MARK}:${MARK}@x`,
    KMI_UPSTREAM_BASE_URL: `https://u:${MARK}/x@api.kimi.com/v1`,
    KMI_PROXY_LISTEN: 'x',
  };
  const { code, stdout, stderr } = await runKmi(['status'], { env: { ...env, ...bad }, cwd: home.root });
  expect([code, leaksIn(stdout + stderr)]).toEqual([2, []]);
});

it('no process shows a secret in its arguments, and the log tells keys apart by fingerprint', async () => {
  const child = await startKmi(['run', '--', process.execPath, '-e', 'console.log("here"); setTimeout(() => {}, 20000)'], {
    env,
    cwd: home.root,
  });
  await child.waitForOutput(/here/);
  const commandLines: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    commandLines.push(await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''));
  expect(commandLines.some((line) => line.includes('setTimeout'))).toBe(true);
  expect(commandLines.filter((line) => line.includes(MARK))).toEqual([]);
  await child.stop();
  const events = await proxy.trace(1);
  for (const { key_hash: hash } of events) expect(hash).toMatch(/^([0-9a-f]{12})?$/);
});

describe('a crash', () => {
  it('prints no key that the error carries, in the terminal and in the log of the background proxy', async () => {
    const own = await crashHome(
      `process.on('SIGUSR2', () => { Promise.reject(Object.assign(new Error('boom ${KEYS.json.replaceAll('\\', '\\\\')}'), { request: { headers: ['authorization', 'Bearer ${KEYS.env}'] }, cause: new Error('${KEYS.env}') })); });`,
    );
    const kmi = await startKmi(['proxy', '--foreground'], { env: own.env, cwd: own.home.root });
    await kmi.waitForOutput(/serves/);
    kmi.child.kill('SIGUSR2');
    expect((await kmi.ended).code).toBe(1);
    expect(kmi.output()).toContain('boom');
    expect(leaksIn(kmi.output())).toEqual([]);

    expect((await runKmi(['proxy'], { env: own.env, cwd: own.home.root })).code).toBe(0);
    const pid = Number(await readFile(join(own.home.stateDir, 'proxy.pid'), 'utf8'));
    process.kill(pid, 'SIGUSR2');
    const path = join(own.home.stateDir, 'logs', 'proxy.out');
    const text = await eventually(async () => {
      const printed = await readFile(path, 'utf8');
      return printed.includes('boom') ? printed : null;
    });
    expect(leaksIn(text)).toEqual([]);
  });

  it("leaves none in Node's report of a fatal error, which is for the owner only", async () => {
    const own = await crashHome(
      "process.on('SIGUSR2', () => { const all = []; for (;;) all.push(new Array(100000).fill(all.length + 0.5)); });",
      '--max-old-space-size=64 --report-on-fatalerror',
    );
    const kmi = await startKmi(['proxy', '--foreground'], {
      env: { ...own.env, HTTPS_PROXY: `http://u:${MARK}@127.0.0.1:9` },
      cwd: own.home.root,
    });
    await kmi.waitForOutput(/serves/);
    kmi.child.kill('SIGUSR2');
    await kmi.ended;
    const reports = (await readEverything(own.home.root)).filter(({ path }) => /report\..*\.json$/.test(path));
    expect(reports).toHaveLength(1);
    expect(leaksIn(reports[0]?.text ?? '')).toEqual([]);
    expect(leaksIn(kmi.output())).toEqual([]);
  }, 30_000);
});

it("the background proxy does not inherit the shell's other secrets", async () => {
  const own = await temporaryHome();
  await own.addKey({ label: 'a' });
  const secrets = {
    OPENAI_API_KEY: MARK,
    ANTHROPIC_AUTH_TOKEN: MARK,
    AWS_SECRET_ACCESS_KEY: MARK,
    KIMI_API_KEY: MARK,
    KMI_API_KEY: MARK,
    GITHUB_TOKEN: MARK,
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  };
  expect((await runKmi(['proxy'], { env: { ...own.env, ...secrets }, cwd: own.root })).code).toBe(0);
  const pid = Number(await readFile(join(own.stateDir, 'proxy.pid'), 'utf8'));
  cleanUp(async () => void (await runKmi(['proxy-stop', '-y', '-f'], { env: own.env, cwd: own.root })));
  const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
  expect(environment.filter((line) => line.includes(MARK) || line.startsWith('NODE_TLS'))).toEqual([]);
  expect(environment).toContain(`KMI_STATE_DIR=${own.stateDir}`);
});

/** A home whose proxy does something fatal at SIGUSR2. */
async function crashHome(code: string, nodeOptions = ''): Promise<{ home: TemporaryHome; env: Record<string, string> }> {
  const own = await temporaryHome();
  await writeKeys(own);
  const file = join(own.root, 'fatal.mjs');
  // The test's own text holds the mark; it is put together only when it runs.
  await writeFile(file, code.replaceAll(MARK, "' + ['Zq7', 'Marked'].join('') + '"));
  await chmod(own.authsDir, 0o700);
  return { home: own, env: { ...own.env, KMI_PROXY_TOKEN: TOKEN, NODE_OPTIONS: `--import ${file} ${nodeOptions}`.trim() } };
}
