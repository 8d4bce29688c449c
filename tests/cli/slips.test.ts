import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const A = 'sk-kimi-aaaaaaaaaaaaaaaaaaaa';
const B = 'sk-kimi-bbbbbbbbbbbbbbbbbbbb';

const widest = (text: string) => Math.max(...text.split('\n').map((line) => [...line].length));

test('a misspelt setting is named by config, doctor, status and at the start of the proxy, its value by none', async () => {
  const home = await temporaryHome();
  await writeFile(join(home.root, '.env'), 'KMI_DRYRUN=hunter2\nset KMI_LOCALE=ru\n');
  const options = { env: { ...home.env, KMI_PROXY_TOKN: 'hunter2' }, cwd: home.root };
  const outputs = await Promise.all(
    [['config'], ['config', '--json'], ['doctor'], ['status'], ['status', '--json'], ['proxy', '--foreground']].map((args) =>
      runKmi(args, options),
    ),
  );
  for (const { stdout, stderr } of outputs) {
    const text = `${stdout}${stderr}`.replace(/[\s│]+/g, ' ');
    expect(text).toMatch(/KMI_DRYRUN\W.*did you mean KMI_DRY_RUN\?/);
    expect(text).toMatch(/KMI_LOCALE\W.*in line 2 sets nothing; write KMI_LOCALE=value/);
    expect(text).toMatch(/KMI_PROXY_TOKN\W.*did you mean KMI_PROXY_TOKEN\?/);
    expect(text).not.toContain('hunter2');
  }
  expect(widest(outputs[0]?.stdout ?? '')).toBeLessThanOrEqual(80);
  expect(JSON.parse(outputs[1]?.stdout ?? '').not_used).toHaveLength(3);
});

test('a .env that says nothing to kmi but a misspelt line is named by config, doctor and status', async () => {
  const home = await temporaryHome();
  await writeFile(join(home.root, '.env'), 'PORT=1\n$env:KMI_DRY_RUN="hunter2"\n');
  for (const command of ['config', 'doctor', 'status']) {
    const { stdout, stderr } = await runKmi([command], { env: home.env, cwd: home.root });
    const text = `${stdout}${stderr}`.replace(/[\s│]+/g, ' ');
    expect(text).toMatch(/KMI_DRY_RUN in line 2 sets nothing; write KMI_DRY_RUN=value/);
    expect(text).not.toContain('hunter2');
  }
});

test('what stands in a key file and is not used is named by keys list, doctor and status', async () => {
  const home = await temporaryHome();
  await writeFile(join(home.authsDir, 'work.env'), `KMI_API_KEY=${A}\nKMI_API_KEY_2=${B}\n`, { mode: 0o600 });
  await writeFile(join(home.authsDir, 'home.env.txt'), `KMI_API_KEY=${B}\n`, { mode: 0o600 });
  for (const args of [['keys', 'list'], ['keys', 'list', '--json'], ['doctor'], ['status'], ['status', '--json']]) {
    const { stdout } = await runKmi(args, { env: home.env, cwd: home.root });
    const text = stdout.replace(/[\s│]+/g, ' ');
    expect(text).toMatch(/work\.env\W.*KMI_API_KEY_2 is not read; put each key into a file of its own/);
    expect(text).toMatch(/home\.env\.txt\W.*Name it home\.env/);
    expect(text).not.toMatch(/aaaaaa|bbbbbb/);
    if (!args.includes('--json')) expect(widest(stdout)).toBeLessThanOrEqual(80);
  }
});

test.each(['KMI_DRY_RUN', 'KMI_PROXY_REQUIRE_TLS', 'KMI_AUTO_ROTATE_ALLOWED', 'KMI_ENFORCE_FILE_PERMS'])(
  'a slip in %s stops every command with the accepted words',
  async (variable) => {
    const home = await temporaryHome();
    await writeFile(join(home.root, '.env'), `${variable}=ture\n`);
    const { code, stderr } = await runKmi(['status'], { env: home.env, cwd: home.root });
    expect(code).toBe(2);
    expect(stderr).toContain(`${variable}=ture  accepted: 1, true, yes, on or y for true; 0, false, no, off or n for false`);
  },
);

test('an unclear allowlist, token or actor stops too', async () => {
  for (const [variable, value] of [
    ['KMI_UPSTREAM_ALLOWLIST', ','],
    ['KMI_PROXY_TOKEN', `\${PROXY_TOKEN}`],
    ['KMI_PROXY_TOKEN', 'changeme'],
    ['KMI_PROXY_TOKEN', '<your token>'],
    ['KMI_AUDIT_ACTOR', '$USER'],
    ['KMI_UPSTREAM_PROXY', `http://me:\${PASSWORD}@proxy:3128`],
    ['KMI_UPSTREAM_BASE_URL', `https://api.kimi.com/\${PATH_OF_IT}`],
  ] as const) {
    const { code, stderr } = await runKmi(['config'], { env: { [variable]: value } });
    expect([variable, code]).toEqual([variable, 2]);
    expect(stderr).toContain(variable);
  }
});

test.each(['utf16le', 'utf8'] as const)('a setting is written into a .env of %s in its own encoding', async (encoding) => {
  const home = await temporaryHome();
  await home.addKey({ label: 'ada' });
  const file = join(home.root, '.env');
  await writeFile(file, Buffer.from('\uFEFFKMI_LOCALE=ru\r\n', encoding), { mode: 0o600 });
  const { code } = await runKmi(['init', '--live', '--no-auto-rotate', '--yes'], { env: home.env, cwd: home.root });
  expect(code).toBe(0);
  expect((await readFile(file)).toString(encoding)).toBe('\uFEFFKMI_LOCALE=ru\r\nKMI_DRY_RUN=0\r\n');
  const { stdout } = await runKmi(['config', '--json'], { env: home.env, cwd: home.root });
  expect(stdout).toContain('"variable": "KMI_DRY_RUN",\n      "value": "0"');
});

test.each([
  ['keys', 'add', 'work', '--no-test'],
  ['init', '--key-stdin', '--yes', '--no-test'],
])("%s %s takes no placeholder, no second key and no other company's", async (...args) => {
  const home = await temporaryHome();
  for (const [stdin, words] of [
    [`\${KIMI_API_KEY}\n`, /a reference that nothing has replaced/],
    ['KMI_API_KEY=<your key>\n', /a placeholder/],
    ['sk-kimi-xxxxxxxx\n', /a placeholder/],
    [`${A},${B}\n`, /The value holds several keys/],
    [`${A}\n${B}\n`, /The input holds several keys/],
    ['sk-ant-api03-0123456789\n', /from another company/],
  ] as const) {
    const { code, stderr, stdout } = await runKmi(args, { env: home.env, cwd: home.root, stdin });
    expect(code).toBe(2);
    expect(stderr).toMatch(words);
    expect(`${stdout}${stderr}`).not.toMatch(/aaaaaa|bbbbbb|0123456789/);
  }
  const { stdout } = await runKmi(['keys', 'list', '--json'], { env: home.env, cwd: home.root });
  expect(JSON.parse(stdout).keys).toEqual([]);
});

test('a key from a file of UTF-16 is added as it is, and a line that is not used is said', async () => {
  const home = await temporaryHome();
  const stdin = Buffer.from(`\uFEFF${A}\r\nKMI_KEY_LABEL=work\r\n`, 'utf16le');
  const { code, stderr } = await runKmi(['keys', 'add', 'ada', '--no-test'], { env: home.env, cwd: home.root, stdin });
  expect(code).toBe(0);
  expect(stderr).toContain('Only the first line of the input was used');
  expect(await readFile(join(home.authsDir, 'ada.env'), 'utf8')).toBe(`KMI_API_KEY=${A}\nKMI_KEY_LABEL=ada\n`);
});
