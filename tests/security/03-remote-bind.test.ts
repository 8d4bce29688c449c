import { copyFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { writeCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryHome } from '../support/home.ts';
import { sendRaw } from '../support/http-client.ts';
import { startBinaryProxy } from '../support/proxy.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { runKmi } from '../support/spawn.ts';
import { MODELS, statusOf } from './raw.ts';

const TOKEN = 'a-long-client-token';
const OPEN = {
  KMI_PROXY_LISTEN: '0.0.0.0:0',
  KMI_PROXY_ALLOW_REMOTE: '1',
  KMI_PROXY_TOKEN: TOKEN,
  KMI_PROXY_TLS_TERMINATED: '1',
};

describe('a bind that other machines can reach', () => {
  it.each([
    ['without permission', { ...OPEN, KMI_PROXY_ALLOW_REMOTE: '0' }, 'KMI_PROXY_ALLOW_REMOTE'],
    ['without TLS', { ...OPEN, KMI_PROXY_TLS_TERMINATED: '0' }, 'KMI_PROXY_TLS_CERT'],
    ['without a token', { ...OPEN, KMI_PROXY_TOKEN: '' }, '--make-token'],
    [
      'by a name that only looks like loopback',
      { ...OPEN, KMI_PROXY_LISTEN: '127.0.0.1.nip.example:0', KMI_PROXY_ALLOW_REMOTE: '0' },
      'KMI_PROXY_ALLOW_REMOTE',
    ],
    [
      'by an IPv6 form of every address',
      { ...OPEN, KMI_PROXY_LISTEN: '[::ffff:0.0.0.0]:0', KMI_PROXY_TOKEN: '' },
      '--make-token',
    ],
  ])('is refused %s', async (_, settings, hint) => {
    const home = await temporaryHome();
    await home.addKey({ label: 'a' });
    const { code, stderr } = await runKmi(['proxy', '--foreground'], { env: { ...home.env, ...settings }, cwd: home.root });
    expect(code).toBe(1);
    expect(stderr).toContain('can be reached from other machines');
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain(TOKEN);
  });

  it('trusts no header about where a request comes from', async () => {
    const port = await freePort();
    const address = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
    const settings = { ...OPEN, KMI_PROXY_LISTEN: `0.0.0.0:${port}`, KMI_PROXY_ALLOWED_HOSTS: 'kmi.example' };
    const proxy = await startBinaryProxy({ settings });
    const forged = [
      'x-forwarded-for: 127.0.0.1',
      'x-real-ip: 127.0.0.1',
      'forwarded: for=127.0.0.1;host=localhost',
      'x-forwarded-host: localhost',
      'x-forwarded-proto: https',
      'x-client-ip: ::1',
      'true-client-ip: 127.0.0.1',
      'via: 1.1 localhost',
    ];
    const ask = (host: string, ...head: string[]) =>
      sendRaw(
        port,
        `GET ${MODELS} HTTP/1.1\r\n${[`host: ${host}`, ...head, 'connection: close'].join('\r\n')}\r\n\r\n`,
        address ?? '127.0.0.1',
      );
    expect(statusOf(await ask('kmi.example', ...forged))).toBe(401);
    expect(statusOf(await ask('127.0.0.1', ...forged))).toBe(401);
    expect(statusOf(await ask('evil.example', `x-api-key: ${TOKEN}`, ...forged))).toBe(403);
    expect(proxy.calls()).toHaveLength(0);
    expect(statusOf(await ask('kmi.example', `x-api-key: ${TOKEN}`))).toBe(200);
    // In front of it somebody else ends TLS: all clients have one address, and one who guesses locks nobody else out.
    for (let n = 0; n < 20; n++) expect(statusOf(await ask('kmi.example', `x-api-key: guess-${n}`))).toBe(401);
    expect(statusOf(await ask('kmi.example', `x-api-key: ${TOKEN}`))).toBe(200);
  });
});

describe('own TLS', () => {
  type Version = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  const shakeHands = (port: number, version: Version) =>
    new Promise<{ protocol: string | null; serial: string } | null>((resolve) => {
      // Security level 0 lets this client speak what is long forbidden.
      const socket: TLSSocket = connectTls(
        {
          port,
          host: '127.0.0.1',
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          ciphers: 'ALL:@SECLEVEL=0',
        },
        () => {
          resolve({ protocol: socket.getProtocol(), serial: socket.getPeerCertificate().serialNumber });
          socket.destroy();
        },
      );
      socket.on('error', () => resolve(null));
    });

  it('is 1.2 or 1.3, takes a renewed certificate without a restart, and keeps the old one while the new is no good', async () => {
    const home = await temporaryHome();
    const paths = { cert: join(home.root, 'cert.pem'), key: join(home.root, 'key.pem') };
    await writeFile(paths.cert, SELF_SIGNED.cert);
    await writeFile(paths.key, SELF_SIGNED.key, { mode: 0o600 });
    const settings = { KMI_PROXY_TLS_CERT: paths.cert, KMI_PROXY_TLS_KEY: paths.key };
    const proxy = await startBinaryProxy({ home, settings });
    const offered = await Promise.all(
      (['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const).map((version) => shakeHands(proxy.port, version)),
    );
    expect(offered.map((one) => one?.protocol ?? null)).toEqual([null, null, 'TLSv1.2', 'TLSv1.3']);
    const before = offered[3]?.serial;

    await writeFile(paths.cert, 'not a certificate');
    await eventually(async () => expect(await proxy.log()).toContain('The new TLS certificate cannot be used'));
    expect((await shakeHands(proxy.port, 'TLSv1.3'))?.serial).toBe(before);

    await copyFile(writeCertificate().cert, paths.cert);
    await eventually(async () => expect((await shakeHands(proxy.port, 'TLSv1.3'))?.serial).not.toBe(before));
    expect((await shakeHands(proxy.port, 'TLSv1.2'))?.protocol).toBe('TLSv1.2');
    expect(await shakeHands(proxy.port, 'TLSv1.1')).toBeNull();
    expect((await proxy.chat({}, { rejectUnauthorized: false })).status).toBe(200);
    expect((await proxy.log()) + proxy.kmi.output()).not.toContain('PRIVATE KEY');
  });
});
