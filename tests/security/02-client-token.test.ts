import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request as undiciRequest } from 'undici';
import { beforeAll, describe, expect, it } from 'vitest';
import { FailedTokens } from '../../src/proxy/gate/failed-tokens.ts';
import { temporaryHome } from '../support/home.ts';
import { type BinaryProxy, startBinaryProxy } from '../support/proxy.ts';
import { runKmi, startKmi } from '../support/spawn.ts';
import { MODELS, rawRequest, statusOf } from './raw.ts';
import { readEverything } from './read-everything.ts';

const TOKEN = 'clé "token" \\ with-any=bytes; 0123456789';
const HOST = 'host: 127.0.0.1';

let proxy: BinaryProxy;
beforeAll(async () => {
  proxy = await startBinaryProxy({ settings: { KMI_PROXY_TOKEN: TOKEN } });
});

const bytesOf = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('latin1');
const ask = async (...head: string[]) => statusOf(await rawRequest(proxy.port, `GET ${MODELS}`, [HOST, ...head]));

describe('the client token', () => {
  it.each([
    ['as Bearer', `authorization: Bearer ${bytesOf(TOKEN)}`],
    ['as Bearer in another case', `Authorization: bEaReR ${bytesOf(TOKEN)}`],
    ['as x-kmi-proxy-token', `x-kmi-proxy-token: ${bytesOf(TOKEN)}`],
    ['as x-api-key', `x-api-key: ${bytesOf(TOKEN)}`],
    ['as latin1', `x-api-key: ${bytesOf(TOKEN, 'latin1')}`],
  ])('%s is let in and goes no further', async (_, header) => {
    const before = proxy.calls().length;
    expect(await ask(header)).toBe(200);
    const call = proxy.calls()[before];
    expect(call?.account).toBe('a');
    expect(call?.rawHeaders.join('\n')).not.toContain('0123456789;');
    expect(call?.rawHeaders.join('\n')).not.toContain('with-any=bytes');
    expect(call?.headers['x-kmi-proxy-token']).toBeUndefined();
  });

  it('beside a wrong one in another header is let in, and neither goes further', async () => {
    const before = proxy.calls().length;
    expect(await ask('authorization: Bearer a-key-of-the-client', `x-kmi-proxy-token: ${bytesOf(TOKEN)}`)).toBe(200);
    expect(proxy.calls()[before]?.rawHeaders.join('\n')).not.toMatch(/a-key-of-the-client|with-any/);
  });

  it.each([
    ['missing', []],
    ['empty', ['authorization: Bearer ']],
    ['cut short', [`x-api-key: ${bytesOf(TOKEN.slice(0, -1))}`]],
    ['under another scheme', [`authorization: Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`]],
    ['twice in one header', [`x-kmi-proxy-token: ${bytesOf(TOKEN)}`, `x-kmi-proxy-token: ${bytesOf(TOKEN)}`]],
    ['second of two Authorization headers', ['authorization: Bearer x', `authorization: Bearer ${bytesOf(TOKEN)}`]],
    ['in the query', []],
    ['of bytes that are no text', ['x-api-key: \xff\xfe\x80']],
  ])('%s is refused', async (name, head) => {
    const before = proxy.calls().length;
    const line = name === 'in the query' ? `GET ${MODELS}?token=${encodeURIComponent(TOKEN)}&api_key=x` : `GET ${MODELS}`;
    expect([400, 401]).toContain(statusOf(await rawRequest(proxy.port, line, [HOST, ...head])));
    expect(proxy.calls()).toHaveLength(before);
  });

  it('is not asked for again and again as fast as a guesser likes; the same wrong one, or none, is no guess', async () => {
    const own = await startBinaryProxy({ settings: { KMI_PROXY_TOKEN: TOKEN } });
    const guess = async (token: string) => {
      const { statusCode, headers, body } = await undiciRequest(`${own.url}/models`, { headers: { 'x-api-key': token } });
      await body.dump();
      return { status: statusCode, retryAfter: headers['retry-after'] };
    };
    for (let n = 0; n < 30; n++) expect((await guess('one wrong token')).status).toBe(401);
    expect(statusOf(await rawRequest(own.port, `GET ${MODELS}`, [HOST]))).toBe(401);
    const answers = [];
    for (let n = 0; n < 12; n++) answers.push(await guess(`guess ${n}`));
    expect(answers.map(({ status }) => status)).toEqual([...Array(9).fill(401), 429, 429, 429]);
    expect(answers.at(-1)?.retryAfter).toMatch(/^[1-9]\d*$/);
    // Even the right one is not looked at now, or the answer would tell.
    expect((await guess(TOKEN.replace('é', 'e'))).status).toBe(429);
    expect(own.calls()).toHaveLength(0);
    expect(statusOf(await rawRequest(own.port, 'GET /healthz', [HOST]))).toBe(200);
  });

  it('stands neither in what was printed nor in any file', async () => {
    await proxy.trace(6);
    await proxy.kmi.stop();
    const written = await readEverything(proxy.home.root);
    for (const text of [proxy.kmi.output(), ...written.map(({ text }) => text)]) {
      expect(text).not.toContain('with-any=bytes');
      expect(text).not.toContain('one wrong token');
    }
  });
});

describe('waiting after wrong tokens', () => {
  it('doubles up to a minute, is for one address, and is over after a quiet time', () => {
    let now = 1_000_000;
    const failures = new FailedTokens(() => now);
    for (let n = 0; n < 9; n++) failures.failed('a', `g${n}`);
    expect(failures.waitMs('a')).toBe(0);
    const waits: number[] = [];
    for (let n = 9; n < 18; n++) {
      failures.failed('a', `g${n}`);
      waits.push(failures.waitMs('a'));
      now += failures.waitMs('a');
      expect(failures.waitMs('a')).toBe(0);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000));
    expect(failures.waitMs('b')).toBe(0);
    now += 16 * 60_000;
    failures.failed('a', 'again');
    expect(failures.waitMs('a')).toBe(0);
  });

  it('remembers a bounded number of addresses, and a clock set back locks nobody out for longer than a minute', () => {
    let now = 1_000_000_000;
    const failures = new FailedTokens(() => now);
    for (let n = 0; n < 20; n++) failures.failed('first', `g${n}`);
    expect(failures.waitMs('first')).toBeGreaterThan(0);
    now -= 1_000_000;
    expect(failures.waitMs('first')).toBeLessThanOrEqual(60_000);
    for (let n = 0; n < 2_000; n++) failures.failed(`other ${n}`, 'x');
    expect(failures.waitMs('first')).toBe(0);
  });
});

describe('a token of the installation', () => {
  it('is made once, for the owner only, and read by every command', async () => {
    const home = await temporaryHome();
    await home.addKey({ label: 'a' });
    const path = join(home.stateDir, 'proxy.token');
    const kmi = await startKmi(['proxy', '--foreground', '--make-token'], { env: home.env, cwd: home.root });
    const [, url = ''] = await kmi.waitForOutput(/serves (\S+)/);
    const port = Number(new URL(url).port);
    const token = (await readFile(path, 'utf8')).trim();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(kmi.output()).not.toContain(token);
    expect(statusOf(await rawRequest(port, `GET ${MODELS}`, [HOST]))).toBe(401);
    expect(statusOf(await rawRequest(port, `GET ${MODELS}`, [HOST, `x-api-key: ${token}`]))).toBe(200);

    const e2e = await runKmi(['e2e', '-n', '2', '--batch', '2', '--pause', '0'], { env: home.env, cwd: home.root });
    expect(e2e.stdout + e2e.stderr).not.toContain('401');
    const { stdout } = await runKmi(['run', '--', process.execPath, '-p', 'process.env.KIMI_API_KEY'], {
      env: home.env,
      cwd: home.root,
    });
    expect(stdout.trim()).toBe(token);
    const config = await runKmi(['config', '--json'], { env: home.env, cwd: home.root });
    expect(config.stdout).not.toContain(token);
    const row = JSON.parse(config.stdout).settings.find(({ variable }: { variable: string }) => variable === 'KMI_PROXY_TOKEN');
    expect(row).toMatchObject({ value: '(set)', source: `proxy.token (${path})` });
    await kmi.stop();

    const again = await startKmi(['proxy', '--foreground', '--make-token'], { env: home.env, cwd: home.root });
    await again.waitForOutput(/serves/);
    expect((await readFile(path, 'utf8')).trim()).toBe(token);
    await again.stop();
  });

  it('that others can read is refused, and one of the environment goes before it', async () => {
    const home = await temporaryHome();
    await runKmi(['init', '--yes'], { env: home.env, cwd: home.root });
    const path = join(home.stateDir, 'proxy.token');
    await writeFile(path, 'from-the-file\n', { mode: 0o644 });
    const { code, stdout, stderr } = await runKmi(['config'], { env: home.env, cwd: home.root });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('other users');
    expect(stderr).not.toContain('from-the-file');
    const own = await runKmi(['config', '--json'], { env: { ...home.env, KMI_PROXY_TOKEN: 'mine' }, cwd: home.root });
    expect(JSON.parse(own.stdout).settings).toContainEqual(
      expect.objectContaining({ variable: 'KMI_PROXY_TOKEN', source: 'environment' }),
    );
  });
});
