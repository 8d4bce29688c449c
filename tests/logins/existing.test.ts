import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { findExistingLogin } from '../../src/logins/existing.ts';
import type { TokenPair } from '../../src/logins/login.ts';
import { TOMBSTONE, temporaryFolder, writeSlot } from './stage.ts';

const NOW = 1_796_000_000_000;
const PAIR: TokenPair = {
  accessToken: 'access-1',
  refreshToken: 'refresh-1',
  expiresAt: NOW / 1000 + 600,
  expiresIn: 900,
  scope: '',
  tokenType: 'Bearer',
};
const CHINA = { region: 'mainland-cn', oauthHost: 'https://auth.kimi.com', baseUrl: 'https://api.kimi.com/coding/v1' };
const GLOBAL = { region: 'global', oauthHost: 'https://auth.kimi.ai', baseUrl: 'https://api.kimi.ai/coding/v1' };
const GLOBAL_SLOT = 'kimi-code-env-0e4f99c69cc27850';

let home = '';
beforeEach(async () => {
  home = await temporaryFolder();
});

const find = (environment: Record<string, string> = {}) => findExistingLogin(environment, home, NOW);
const slot = (name: string, folder = '.kimi-code') => join(home, folder, 'credentials', `${name}.json`);
async function config(text: string, folder = '.kimi-code'): Promise<void> {
  await mkdir(join(home, folder), { recursive: true });
  await writeFile(join(home, folder, 'config.toml'), text);
}

const GLOBAL_CONFIG = `
[providers."managed:kimi-code"]
type = "kimi"
base_url = "https://api.kimi.ai/coding/v1"
[providers."managed:kimi-code".oauth]
storage = "file"
key = "oauth/${GLOBAL_SLOT}"
oauth_host = "https://auth.kimi.ai"
`;

test('a machine without a Kimi client has no login, nor has one without a home', async () => {
  expect(await find()).toBeNull();
  expect(await findExistingLogin({}, null, NOW)).toBeNull();
});

test("China's login is in the slot kimi-code, with and without a word in the config", async () => {
  await writeSlot(slot('kimi-code'), PAIR);
  const expected = { kind: 'kimi-code', file: slot('kimi-code'), ...CHINA, isOver: false };
  expect(await find()).toEqual(expected);
  await config('[providers."managed:kimi-code"]\noauth = { storage = "file", key = "oauth/kimi-code" }\n');
  expect(await find()).toEqual(expected);
});

test('a global login is in the slot of its two addresses', async () => {
  await config(GLOBAL_CONFIG);
  await writeSlot(slot('kimi-code'), PAIR);
  await writeSlot(slot(GLOBAL_SLOT), PAIR);
  expect(await find()).toEqual({ kind: 'kimi-code', file: slot(GLOBAL_SLOT), ...GLOBAL, isOver: false });
});

test("other addresses have the slot of their hash, from the config or from Kimi Code's environment", async () => {
  const at = { oauthHost: 'http://127.0.0.1:4010', baseUrl: 'http://127.0.0.1:4010/coding/v1' };
  const name = `kimi-code-env-${createHash('sha256').update(JSON.stringify(at)).digest('hex').slice(0, 16)}`;
  await writeSlot(slot(name), PAIR);
  expect(await find()).toBeNull();
  const expected = { kind: 'kimi-code', file: slot(name), region: 'mainland-cn', ...at, isOver: false };
  expect(await find({ KIMI_CODE_OAUTH_HOST: `${at.oauthHost}/`, KIMI_CODE_BASE_URL: `${at.baseUrl}/` })).toEqual(expected);
  expect(await find({ KIMI_OAUTH_HOST: at.oauthHost, KIMI_CODE_BASE_URL: at.baseUrl })).toEqual(expected);
  await config(
    `[providers."managed:kimi-code"]\nbase_url = "${at.baseUrl}/"\noauth = { key = "oauth/${name}", oauth_host = "${at.oauthHost}" }\n`,
  );
  expect(await find()).toEqual(expected);
});

test('the environment of Kimi Code has precedence over its config', async () => {
  await config(GLOBAL_CONFIG);
  await writeSlot(slot(GLOBAL_SLOT), PAIR);
  await writeSlot(slot('kimi-code'), PAIR);
  expect(await find({ KIMI_CODE_OAUTH_HOST: CHINA.oauthHost, KIMI_CODE_BASE_URL: CHINA.baseUrl })).toMatchObject({
    file: slot('kimi-code'),
    region: 'mainland-cn',
  });
});

test('a key of the config that names another slot is tried when the slot of the addresses is empty, and is no path', async () => {
  await config('[providers."managed:kimi-code"]\noauth = { key = "oauth/kimi-code-2" }\n');
  await writeSlot(slot('kimi-code-2'), PAIR);
  expect(await find()).toMatchObject({ file: slot('kimi-code-2') });
  await writeSlot(join(home, 'elsewhere.json'), PAIR);
  await config('[providers."managed:kimi-code"]\noauth = { key = "oauth/../../elsewhere" }\n');
  expect(await find()).toBeNull();
});

test('KIMI_CODE_HOME says where Kimi Code is', async () => {
  const elsewhere = await temporaryFolder();
  const file = join(elsewhere, 'credentials', 'kimi-code.json');
  await writeSlot(file, PAIR);
  expect(await find({ KIMI_CODE_HOME: elsewhere })).toMatchObject({ kind: 'kimi-code', file });
});

test('a login that was refused is found, and is over', async () => {
  await writeSlot(slot('kimi-code'), TOMBSTONE);
  expect(await find()).toMatchObject({ kind: 'kimi-code', isOver: true });
  await writeFile(slot('kimi-code'), '{');
  expect(await find()).toMatchObject({ kind: 'kimi-code', isOver: true });
});

test('of two clients Kimi Code counts, also when its login is over', async () => {
  await writeSlot(slot('kimi-code', '.kimi'), PAIR);
  await writeSlot(slot('kimi-code'), TOMBSTONE);
  expect(await find()).toMatchObject({ kind: 'kimi-code', isOver: true });
  await rm(slot('kimi-code'));
  expect(await find()).toEqual({ kind: 'kimi-cli', file: slot('kimi-code', '.kimi'), ...CHINA, isOver: false });
});

test("kimi-cli's login is over when its time is, because nobody renews it", async () => {
  const elsewhere = await temporaryFolder();
  const file = join(elsewhere, 'credentials', 'kimi-code.json');
  await mkdir(join(elsewhere, 'credentials'));
  const write = (expiresAt: number) =>
    writeFile(
      file,
      JSON.stringify({ access_token: 'a', refresh_token: 'r', expires_at: expiresAt, scope: '', token_type: 'Bearer' }),
    );
  await write(NOW / 1000 + 10.75);
  expect(await find({ KIMI_SHARE_DIR: elsewhere })).toMatchObject({ kind: 'kimi-cli', file, isOver: false });
  await write(NOW / 1000 - 0.25);
  expect(await find({ KIMI_SHARE_DIR: elsewhere })).toMatchObject({ kind: 'kimi-cli', file, isOver: true });
});

test.each([
  ['[providers', 'The config of Kimi Code cannot be read. The file is not valid TOML'],
  ['[providers."managed:kimi-code"]\noauth = { storage = "keyring" }\n', "Kimi Code keeps its login in the system's keyring"],
])('what keeps kmi from a login is said: %j', async (text, words) => {
  await config(text);
  expect(await find()).toEqual({ problem: expect.stringContaining(words) });
});

test('an address that no token may be sent to is no address', async () => {
  const text = '[providers."managed:kimi-code"]\nbase_url = "http://api.example.com/v1"\noauth = { key = "oauth/kimi-code" }\n';
  await config(text);
  await writeSlot(slot('kimi-code'), PAIR);
  expect(await find()).toEqual({ problem: expect.stringContaining('no https:// address') });
});

test('a credential file that cannot be read is a problem, not a login that is missing', async () => {
  await mkdir(slot('kimi-code'), { recursive: true });
  expect(await find()).toEqual({ problem: 'The login of Kimi Code is out of reach. It is not a regular file.' });
});
