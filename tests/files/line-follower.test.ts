import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineFollower } from '../../src/files/line-follower.ts';
import { cleanUp } from '../support/cleanup.ts';

async function temporaryLog(text?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-follow-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.log');
  if (text !== undefined) await writeFile(path, text);
  return path;
}

async function follow(path: string, position = 0): Promise<LineFollower> {
  const follower = await LineFollower.open(path, position);
  cleanUp(() => follower.close());
  return follower;
}

test('lines are given once, when they are whole, from the position on', async () => {
  const path = await temporaryLog('old\n');
  const follower = await follow(path, 4);
  await appendFile(path, 'one\ntwo\nhal');
  expect(await follower.next()).toEqual(['one', 'two']);
  expect(await follower.next()).toEqual([]);
  await appendFile(path, 'f\n\nлиния\r\n');
  expect(await follower.next()).toEqual(['half', '', 'линия']);
});

test('a character whose bytes come one by one stays whole', async () => {
  const path = await temporaryLog('');
  const follower = await follow(path);
  for (const byte of Buffer.from('é')) {
    await appendFile(path, Buffer.from([byte]));
    expect(await follower.next()).toEqual([]);
  }
  await appendFile(path, '\n');
  expect(await follower.next()).toEqual(['é']);
});

test('a rotated file is read to its end before the new one', async () => {
  const path = await temporaryLog('1\n');
  const follower = await follow(path);
  expect(await follower.next()).toEqual(['1']);
  await appendFile(path, '2\n');
  await rename(path, `${path}.1`);
  expect(await follower.next()).toEqual(['2']);
  await writeFile(path, '3\n');
  expect(await follower.next()).toEqual(['3']);
});

test('files that came and went between two looks are not lost while they can be found', async () => {
  const path = await temporaryLog('1\n');
  const follower = await follow(path);
  await follower.next();
  await rename(path, `${path}.2`);
  await writeFile(`${path}.1`, '2\n');
  await writeFile(path, '3\n');
  expect(await follower.next()).toEqual(['2', '3']);
});

test('a file that was emptied, and one that was deleted and made anew, are read from their beginning', async () => {
  const path = await temporaryLog('a long line\n');
  const follower = await follow(path);
  await follower.next();
  await truncate(path);
  await appendFile(path, 'short\n');
  expect(await follower.next()).toEqual(['short']);
  await rm(path);
  expect(await follower.next()).toEqual([]);
  await writeFile(path, 'new\n');
  expect(await follower.next()).toEqual(['new']);
});

test('a file that does not exist yet is waited for', async () => {
  const path = await temporaryLog();
  const follower = await follow(path);
  expect(await follower.next()).toEqual([]);
  await writeFile(path, 'first\n');
  expect(await follower.next()).toEqual(['first']);
});

test('a line without end does not fill the memory', async () => {
  const path = await temporaryLog('x'.repeat(3 * 1024 * 1024));
  const follower = await follow(path);
  const pieces = await follower.next();
  expect(pieces.length).toBeGreaterThan(1);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(1.2 * 1024 * 1024);
});
