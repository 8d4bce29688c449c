import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeCertificate } from '../support/certificate.ts';
import { temporaryHome } from '../support/home.ts';
import { send } from '../support/http-client.ts';
import { startBinaryProxy, startTestProxy } from '../support/proxy.ts';
import { runKmi } from '../support/spawn.ts';

const TOKEN = 'a-long-client-token';

/** Runs a proxy that must not start; answers what it said. */
async function refusal(settings: Record<string, string>): Promise<string> {
  const home = await temporaryHome();
  await home.addKey({ label: 'a' });
  const { code, stdout, stderr } = await runKmi(['proxy', '--foreground'], { env: { ...home.env, ...settings }, cwd: home.root });
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).not.toMatch(/\n\s+at /);
  return stderr;
}

describe('a bind that other machines can reach', () => {
  const remote = { KMI_PROXY_LISTEN: '0.0.0.0:0', KMI_PROXY_ALLOW_REMOTE: '1', KMI_PROXY_TOKEN: TOKEN };

  it.each([
    [
      'without permission',
      { KMI_PROXY_LISTEN: '0.0.0.0:0', KMI_PROXY_TOKEN: TOKEN, KMI_PROXY_TLS_TERMINATED: '1' },
      'KMI_PROXY_ALLOW_REMOTE',
    ],
    ['without TLS', remote, 'KMI_PROXY_TLS_CERT'],
    ['without a token', { ...remote, KMI_PROXY_TLS_TERMINATED: '1', KMI_PROXY_TOKEN: '' }, 'KMI_PROXY_TOKEN'],
    ['by another name', { ...remote, KMI_PROXY_LISTEN: 'some.host.example:0' }, 'TLS'],
    ['over IPv6', { ...remote, KMI_PROXY_LISTEN: '[::]:0' }, 'TLS'],
  ])('is refused %s', async (_, settings, hint) => {
    const said = await refusal(settings);
    expect(said).toContain('can be reached from other machines');
    expect(said).toContain(hint);
    expect(said).not.toContain(TOKEN);
  });

  it.each([
    ['TLS ends in front of it', { KMI_PROXY_TLS_TERMINATED: '1' }],
    ['TLS is waived', { KMI_PROXY_REQUIRE_TLS: '0' }],
  ])('is served when %s', async (_, settings) => {
    const proxy = await startTestProxy({ settings: { ...remote, ...settings } });
    expect((await proxy.chat()).status).toBe(401);
    expect((await proxy.chat({}, { headers: { 'x-api-key': TOKEN } })).status).toBe(200);
  });
});

describe('own TLS', () => {
  it('serves the built binary over https', async () => {
    const { cert, key } = writeCertificate();
    const proxy = await startBinaryProxy({ settings: { KMI_PROXY_TLS_CERT: cert, KMI_PROXY_TLS_KEY: key } });
    expect(proxy.url).toMatch(/^https:/);
    const answer = await proxy.chat({ stream: true }, { rejectUnauthorized: false });
    expect([answer.status, answer.text.includes('[DONE]')]).toEqual([200, true]);
    expect((await send(proxy.url.replace('https:', 'http:'), { method: 'GET' })).status).toBeNull();
    expect(await proxy.kmi.stop()).toEqual({ code: 0, signal: null });
  });

  it('is refused in a simulation too, in the same words', async () => {
    const home = await temporaryHome();
    const made = join(home.root, 'made.pem');
    await writeFile(made, '');
    const env = { ...home.env, KMI_PROXY_TLS_CERT: made, KMI_PROXY_TLS_KEY: made };
    const args = ['proxy', '--foreground', '--simulate-without-keys'];
    const { code, stderr } = await runKmi(args, { env, cwd: home.root });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^kmi: The TLS certificate cannot be used: \S+made\.pem is empty\./);
  });

  it('is refused with files that cannot be read', async () => {
    const said = await refusal({ KMI_PROXY_TLS_CERT: '/nowhere/cert.pem', KMI_PROXY_TLS_KEY: '/nowhere/key.pem' });
    expect(said).toContain('KMI_PROXY_TLS_CERT');
  });

  const BEGIN = '-----BEGIN CERTIFICATE-----';
  it.each([
    ['an empty certificate', { cert: '' }, /certificate cannot be used: \S+made\.pem is empty/],
    ['a certificate of blanks', { cert: '\ufeff \r\n\n' }, /certificate cannot be used: \S+made\.pem is empty/],
    ['notes in place of the certificate', { cert: `# no ${BEGIN} here\n` }, /made\.pem holds no certificate in PEM form/],
    ['a cut certificate', { cert: `${BEGIN}\nMIIB\n` }, /certificate or key cannot be used/],
    ['an empty key', { key: '' }, /key cannot be used: \S+made\.pem is empty/],
    ['a key of blanks', { key: '\n \n' }, /key cannot be used: \S+made\.pem is empty/],
    ['the certificate as its key', { key: null }, /holds no private key in PEM form/],
  ])('is refused with %s, and says which file', async (_, { cert, key }: { cert?: string; key?: string | null }, words) => {
    const files = writeCertificate();
    const home = await temporaryHome();
    const made = join(home.root, 'made.pem');
    await writeFile(made, cert ?? key ?? '');
    const said = await refusal({
      KMI_PROXY_TLS_CERT: cert === undefined ? files.cert : made,
      KMI_PROXY_TLS_KEY: key === undefined ? files.key : key === null ? files.cert : made,
    });
    expect(said).toMatch(words);
    expect(said).toContain('KMI_PROXY_TLS_CERT');
  });

  it('is refused with files that are no certificate', async () => {
    const home = await temporaryHome();
    const path = join(home.root, 'junk.pem');
    await writeFile(path, 'junk');
    const said = await refusal({ KMI_PROXY_TLS_CERT: path, KMI_PROXY_TLS_KEY: path });
    expect(said).toContain('KMI_PROXY_TLS_CERT');
  });
});

describe('an address that cannot be had', () => {
  it('because another program has it is said plainly', async () => {
    const stranger = createServer().listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    const said = await refusal({ KMI_PROXY_LISTEN: `127.0.0.1:${port}` });
    expect(said).toContain(`Port ${port} on 127.0.0.1 is taken`);
    expect(stranger.listening).toBe(true);
    stranger.close();
  });

  it('because another proxy has it is said plainly, and that one goes on', async () => {
    const first = await startTestProxy();
    expect(await refusal({ KMI_PROXY_LISTEN: `127.0.0.1:${first.port}` })).toMatch(/already serves|is taken/);
    expect((await first.chat()).status).toBe(200);
  });

  it('because it is none of this machine is said plainly', async () => {
    const settings = { KMI_PROXY_ALLOW_REMOTE: '1', KMI_PROXY_TOKEN: TOKEN, KMI_PROXY_REQUIRE_TLS: '0' };
    expect(await refusal({ ...settings, KMI_PROXY_LISTEN: '203.0.113.1:54123' })).toContain('KMI_PROXY_LISTEN');
  });
});

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
// Only Linux answers on all of 127.0.0.0/8 without being told to.
const loopbacks = ['localhost:0', ...(hasIpv6 ? ['[::1]:0'] : []), ...(process.platform === 'linux' ? ['127.0.0.2:0'] : [])];

it.each(loopbacks)('%s is served', async (address) => {
  const proxy = await startTestProxy({ settings: { KMI_PROXY_LISTEN: address } });
  expect((await proxy.chat()).status).toBe(200);
  expect(new URL(proxy.url).port).toBe(String(proxy.port));
  await proxy.serving.stop();
});
