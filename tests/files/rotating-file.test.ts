import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RotatingFile } from '../../src/files/rotating-file.ts';
import { temporaryFolder } from '../state/children.ts';
import { cleanUp } from '../support/cleanup.ts';

async function newFile({ maxBytes = 0, backups = 3 } = {}) {
  const path = join(await temporaryFolder(), 'logs', 'kmi.log');
  const another = () => {
    const file = new RotatingFile({ path, maxBytes, backups });
    cleanUp(() => file.close());
    return file;
  };
  return { path, file: another(), another };
}

const contents = async (path: string) => {
  const names = (await readdir(dirname(path))).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(dirname(path), name), 'utf8')])),
  );
};

describe('a rotating file', () => {
  it('appends in order, whoever waits', async () => {
    const { path, file } = await newFile();
    await Promise.all(Array.from({ length: 50 }, (_, n) => file.append(`${n}\n`)));
    expect(await readFile(path, 'utf8')).toBe(Array.from({ length: 50 }, (_, n) => `${n}\n`).join(''));
  });

  it.skipIf(process.platform === 'win32')('is its owner’s alone', async () => {
    const { path, file } = await newFile();
    await file.append('a\n');
    expect([(await stat(path)).mode & 0o777, (await stat(dirname(path))).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it('moves on before it grows past its size, and keeps so many', async () => {
    const { path, file } = await newFile({ maxBytes: 6, backups: 2 });
    for (const text of ['1\n', '22\n', '3\n', '44444\n', '5\n', '666\n']) await file.append(text);
    expect(await contents(path)).toEqual({ 'kmi.log': '5\n666\n', 'kmi.log.1': '44444\n', 'kmi.log.2': '3\n' });
  });

  it('counts bytes, not characters, and takes what is larger than a file may be', async () => {
    const { path, file } = await newFile({ maxBytes: 8, backups: 1 });
    for (const text of ['充值\n', 'a\n', 'far too long for it\n', 'b\n']) await file.append(text);
    expect(await contents(path)).toEqual({ 'kmi.log': 'b\n', 'kmi.log.1': 'far too long for it\n' });
  });

  it('keeps none when none are to be kept, and never rotates at 0', async () => {
    const none = await newFile({ maxBytes: 4, backups: 0 });
    for (const text of ['1\n', '2\n', '3\n']) await none.file.append(text);
    expect(await contents(none.path)).toEqual({ 'kmi.log': '3\n' });
    const never = await newFile({ maxBytes: 0 });
    await never.file.append('x'.repeat(100_000));
    await never.file.append('y\n');
    expect(await readdir(dirname(never.path))).toEqual(['kmi.log']);
  });

  it('follows a rotation by another process', async () => {
    const { path, file, another } = await newFile({ maxBytes: 4, backups: 3 });
    const other = another();
    await file.append('1\n');
    await other.append('2\n');
    await other.append('3\n');
    await file.append('4\n');
    await file.append('5\n');
    expect(await contents(path)).toEqual({ 'kmi.log': '5\n', 'kmi.log.1': '3\n4\n', 'kmi.log.2': '1\n2\n' });
  });

  it('goes on in the file that now has its name, also after a deletion', async () => {
    const { path, file } = await newFile();
    await file.append('1\n');
    await rename(path, `${path}.saved`);
    await writeFile(path, 'of somebody else\n');
    await file.append('2\n');
    await rm(dirname(path), { recursive: true });
    await file.append('3\n');
    expect(await contents(path)).toEqual({ 'kmi.log': '3\n' });
  });

  it('begins a new line after a torn one, and not after a whole one', async () => {
    const { path, another } = await newFile();
    await mkdir(dirname(path));
    await writeFile(path, 'whole\ntor');
    await another().append('next\n');
    await another().append('last\n');
    expect(await readFile(path, 'utf8')).toBe('whole\ntor\nnext\nlast\n');
  });

  it('says when it cannot be written, and goes on when it can', async () => {
    const { path, file } = await newFile();
    await mkdir(path, { recursive: true });
    await expect(file.append('1\n')).rejects.toMatchObject({ code: 'EISDIR' });
    const [lost, kept] = [file.append('2\n'), rm(path, { recursive: true })];
    await Promise.allSettled([lost, kept]);
    await file.append('3\n');
    expect((await readFile(path, 'utf8')).split('\n')).toContain('3');
  });

  it.skipIf(process.platform === 'win32')('leaves the mode of a file it did not make alone', async () => {
    const { path, file } = await newFile();
    await mkdir(dirname(path));
    await writeFile(path, '');
    await chmod(path, 0o640);
    await file.append('1\n');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
  });
});
