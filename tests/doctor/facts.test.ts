import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { readCertificate } from '../../src/doctor/certificate.ts';
import { lookAt, lookAtAll, whyNotWritable, withRotated } from '../../src/doctor/file-facts.ts';
import { type Get, reachUpstream } from '../../src/doctor/reach.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { freePort } from '../support/free-port.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';

const get: Get = async (url, { signal, headers }) => {
  const response = await request(url, { signal, ...(headers === undefined ? {} : { headers }) });
  return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
};

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-doctor-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => void server.close());
  return (server.address() as AddressInfo).port;
}

async function simulator() {
  const started = await startSimulator({ accounts: [{ name: 'ada', keys: ['sk-ada'], userId: 'u-ada' }] });
  cleanUp(() => started.close());
  return started;
}

test('an upstream that answers gives its status and its clock', async () => {
  const { baseUrl, received } = await simulator();
  const fact = await reachUpstream(baseUrl, { get, viaProxy: false });
  expect(fact).toMatchObject({ reached: 'answer', status: 401, contentType: expect.stringContaining('json') });
  expect(fact.reached === 'answer' && Math.abs((fact.date ?? 0) - Date.now())).toBeLessThan(5_000);
  expect(received.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test('DNS, connection, TLS and HTTP are told apart', async () => {
  const options = { get, viaProxy: false, timeoutMs: 3_000 };
  expect(await reachUpstream('http://kmi.invalid/v1', { ...options, timeoutMs: 10_000 })).toMatchObject({ reached: 'name' });
  const closed = `https://127.0.0.1:${await freePort()}/v1`;
  expect(await reachUpstream(closed, options)).toEqual({ reached: 'connection', reason: 'connection refused (ECONNREFUSED)' });
  const tls = await listen(createTlsServer(SELF_SIGNED, (_request, response) => void response.end()));
  expect(await reachUpstream(`https://127.0.0.1:${tls}/v1`, options)).toMatchObject({
    reached: 'tls',
    reason: expect.stringMatching(/certificate .*(?:SELF_SIGNED|ALTNAME)/),
  });
  const mute = await listen(createServer((socket) => void socket.on('error', () => undefined)));
  expect(await reachUpstream(`http://127.0.0.1:${mute}/v1`, { ...options, timeoutMs: 100 })).toEqual({
    reached: 'http',
    reason: 'nothing within 0.1 s',
  });
});

test('through an outgoing proxy only the answer counts', async () => {
  const via: Get = async () => ({ status: 200, headers: {}, body: '' });
  expect(await reachUpstream('https://kmi.invalid/v1', { get: via, viaProxy: true })).toMatchObject({
    reached: 'answer',
    status: 200,
    contentType: '',
    date: null,
  });
});

test('a certificate is read with its key; what does not fit is named', async () => {
  const folder = await temporaryFolder();
  const [cert, key, other] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name)) as [string, string, string];
  await writeFile(cert, SELF_SIGNED.cert);
  await writeFile(key, SELF_SIGNED.key);
  await writeFile(other, 'not PEM');
  const look = (proxyTlsCert: string, proxyTlsKey: string) => readCertificate({ proxyTlsCert, proxyTlsKey });
  expect(await look('', '')).toEqual({ is: 'none' });
  expect(await look(cert, key)).toMatchObject({ is: 'usable', validTo: expect.any(Number) });
  expect(await look(cert, other)).toMatchObject({ is: 'unusable', problem: expect.stringContaining('PEM') });
  expect(await look(join(folder, 'none'), key)).toMatchObject({ is: 'unusable', problem: expect.stringContaining('ENOENT') });
  expect(await look(cert, join(folder, 'none'))).toMatchObject({ is: 'unusable', problem: expect.stringContaining('ENOENT') });
  const { generateKeyPairSync } = await import('node:crypto');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(other, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  expect(await look(cert, other)).toMatchObject({ is: 'unusable', problem: expect.stringContaining('belong together') });
});

test('links, shared folders and what is not there are not looked at', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'a.log');
  await writeFile(file, 'x');
  await chmod(file, 0o640);
  await symlink(file, join(folder, 'link'));
  await mkdir(join(folder, 'shared'));
  await chmod(join(folder, 'shared'), 0o1777);
  expect(await lookAt(file)).toMatchObject({ path: file, kind: 'file', mode: 0o640, isOwn: true, bytes: 1 });
  expect(await lookAt(folder)).toMatchObject({ kind: 'folder' });
  const rest = ['link', 'shared', 'none'].map((name) => join(folder, name));
  expect(await lookAtAll([...rest, '/', file, file])).toHaveLength(1);
});

test('a log is found with its rotated files', async () => {
  const folder = await temporaryFolder();
  for (const name of ['x.log', 'x.log.1', 'x.logs', 'y.log']) await writeFile(join(folder, name), '');
  expect((await withRotated(join(folder, 'x.log'))).toSorted()).toEqual([join(folder, 'x.log'), join(folder, 'x.log.1')]);
  expect(await withRotated(join(folder, 'none', 'x.log'))).toEqual([]);
});

test('a folder yet to be made is judged by the one above it; a file in its place is none', async () => {
  const folder = await temporaryFolder();
  expect(await whyNotWritable(join(folder, 'a', 'b'))).toBeNull();
  await writeFile(join(folder, 'file'), '');
  expect(await whyNotWritable(join(folder, 'file'))).toMatchObject({ text: expect.stringContaining('ENOTDIR') });
  expect(await whyNotWritable(join(folder, 'file', 'below'))).toMatchObject({ text: expect.stringContaining('ENOTDIR') });
  await symlink(folder, join(folder, 'link'));
  expect(await whyNotWritable(join(folder, 'link'))).toBeNull();
});

test.skipIf(process.getuid?.() === 0)('a folder without the permission to write is named so', async () => {
  const folder = await temporaryFolder();
  await chmod(folder, 0o500);
  expect(await whyNotWritable(join(folder, 'state'))).toMatchObject({
    text: `The folder ${folder} is yours, but its permissions let you write nothing there.`,
    fix: `Open it to yourself: chmod u+rwx ${folder}`,
  });
  await chmod(folder, 0o700);
});
