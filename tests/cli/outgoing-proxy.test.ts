import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { beforeAll, expect, it } from 'vitest';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { listening } from '../support/outgoing-proxy.ts';
import { runKmi } from '../support/spawn.ts';

const SECRET = 'hunter2';
const LIVE = { KMI_DRY_RUN: '0', KMI_UPSTREAM_BASE_URL: 'https://kimi.invalid/coding/v1' };

let home: TemporaryHome;
let port: number;
beforeAll(async () => {
  home = await temporaryHome();
  await home.addKey({ label: 'ada', key: 'sk-kimi-ada-0123456789abcdef' });
  const company = createServer();
  company.on('connect', (_, socket: Socket) => {
    socket.on('error', () => undefined).end('HTTP/1.1 407 Who?\r\nproxy-authenticate: Basic realm="x"\r\n\r\n');
  });
  port = await listening(company);
});

/** Everything a command prints, on one line. */
async function say(args: readonly string[], more: Record<string, string>) {
  const { code, stdout, stderr } = await runKmi([...args], { env: { ...home.env, ...LIVE, ...more }, cwd: home.root });
  const text = (stdout + stderr).replace(/\s+/g, ' ');
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain('Warning');
  return { code, text };
}

it.each([[['health']], [['keys', 'test']], [['doctor', '--recheck-keys']]])(
  'kmi %j names the proxy that refused',
  async (args) => {
    const { text } = await say(args, { https_proxy: `me:${SECRET}@127.0.0.1:${port}` });
    expect(text.toLowerCase()).toContain(
      `the outgoing proxy 127.0.0.1:${port} (https_proxy) does not accept the user name and password it was given (407). write them`,
    );
  },
);

it.each([[['health']], [['keys', 'test']], [['doctor', '--recheck-keys']]])(
  'kmi %j names a variable that names no proxy, and what to write',
  async (args) => {
    const { text } = await say(args, { ALL_PROXY: `socks4://me:${SECRET}@127.0.0.1:${port}` });
    expect(text).toContain('ALL_PROXY cannot be used as the outgoing proxy: SOCKS4 is not supported. ');
    expect(text).toContain('Write it as host:port, http://host:port, https://host:port or socks5://host:port, or unset it');
  },
);

it.each([
  ['socks4://p:1', 'SOCKS4 is not supported'],
  [`me:${SECRET}@p:1,q:2`, 'it is not an address of a proxy'],
])('KMI_UPSTREAM_PROXY=%s is a wrong setting', async (value, problem) => {
  const { code, text } = await say(['health'], { KMI_UPSTREAM_PROXY: value });
  expect(code).toBe(2);
  expect(text).toContain(`KMI_UPSTREAM_PROXY=(hidden) accepted: host:port, http://host:port,`);
  expect(text).toContain(`(${problem})`);
});

it('KMI_UPSTREAM_PROXY without a scheme is shown by `kmi config` as what it means', async () => {
  const { code, text } = await say(['config'], { KMI_UPSTREAM_PROXY: `me:${SECRET}@proxy.corp:3128` });
  expect(code).toBe(0);
  expect(text).toContain('http://proxy.corp:3128');
});
