import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  hardenPermissions,
  makePrivateFolder,
  prepareReplacement,
  removeLeftovers,
  replaceFile,
} from '../../src/files/private.ts';
import { temporaryFolder } from '../state/children.ts';

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
const onUnix = describe.skipIf(process.platform === 'win32');

describe('replacing a file', () => {
  it('puts the new text in the place of the old, and leaves nothing else', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'state.json');
    await replaceFile(path, 'one');
    await replaceFile(path, Buffer.from('two'), { durable: false });
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual(['two', ['state.json']]);
  });

  it('shows a reader the old text or the new, never a part', async () => {
    const path = join(await temporaryFolder(), 'state.json');
    const texts = ['a', 'b'].map((letter) => letter.repeat(300_000));
    await replaceFile(path, texts[0] as string);
    let done = false;
    const writing = (async () => {
      for (let n = 0; n < 40; n++) await replaceFile(path, texts[n % 2] as string, { durable: false });
      done = true;
    })();
    while (!done) expect(texts.includes(await readFile(path, 'utf8'))).toBe(true);
    await writing;
  });

  it('of several writers at once ends with the text of one of them', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'state.json');
    const texts = Array.from({ length: 20 }, (_, n) => `${n}`.repeat(1000));
    await Promise.all(texts.map((text) => replaceFile(path, text)));
    expect(texts).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  it('that fails leaves what was there, and no rest of its own', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'state.json', 'inside'), { recursive: true });
    await expect(replaceFile(join(folder, 'state.json'), 'x')).rejects.toBeInstanceOf(Error);
    await expect(replaceFile(join(folder, 'no', 'state.json'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    expect([await readdir(folder), await readdir(join(folder, 'state.json'))]).toEqual([['state.json'], ['inside']]);
  });
});

describe('a replacement that was prepared', () => {
  const ROOM = { roomBytes: 4096 };

  it('puts the text in the place of the file, whether it is shorter or longer than the room', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'state.json');
    await replaceFile(path, 'old');
    for (const text of ['new', 'ä'.repeat(10_000), '']) {
      const replacement = await prepareReplacement(path, ROOM);
      await replacement.commit(text);
      await replacement.discard();
      expect(await readFile(path, 'utf8')).toBe(text);
      expect(await modeOf(path)).toBe('600');
    }
    expect(await readdir(folder)).toEqual(['state.json']);
  });

  it('leaves nothing when it is discarded or used up', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'state.json');
    await replaceFile(path, 'old');
    const replacement = await prepareReplacement(path, ROOM);
    expect(await readdir(folder)).toHaveLength(2);
    await replacement.discard();
    await expect(replacement.commit('new')).rejects.toThrow('used up');
    expect([await readFile(path, 'utf8'), await readdir(folder)]).toEqual(['old', ['state.json']]);
  });

  it('says beforehand what is in the way, and leaves no rest when it fails afterwards', async () => {
    const folder = await temporaryFolder();
    await expect(prepareReplacement(join(folder, 'no', 'state.json'), ROOM)).rejects.toMatchObject({ code: 'ENOENT' });
    const path = join(folder, 'state.json');
    await mkdir(join(path, 'inside'), { recursive: true });
    const replacement = await prepareReplacement(path, ROOM);
    await expect(replacement.commit('x')).rejects.toBeInstanceOf(Error);
    expect(await readdir(folder)).toEqual(['state.json']);
  });
});

it('leftovers of one file’s dead writers go, all else stays', async () => {
  const folder = await temporaryFolder();
  const stay = ['a.json', 'a.json.1.abcdef.tmp', 'a.json.corrupt.1', 'b.json.1.abcdefabcdef.tmp', 'xa.json.1.abcdefabcdef.tmp'];
  for (const name of [...stay, 'a.json.77.0123456789ab.tmp']) await writeFile(join(folder, name), '');
  await removeLeftovers(join(folder, 'a.json'));
  expect((await readdir(folder)).sort()).toEqual(stay);
  await removeLeftovers(join(folder, 'no', 'a.json'));
});

onUnix('modes', () => {
  it('new files and folders are their owner’s, whatever the umask', async () => {
    const folder = await temporaryFolder();
    const before = process.umask(0);
    try {
      await makePrivateFolder(join(folder, 'a', 'b'));
      await replaceFile(join(folder, 'a', 'b', 'f'), 'x');
    } finally {
      process.umask(before);
    }
    const paths = ['a', 'a/b', 'a/b/f'].map((name) => join(folder, name));
    expect(await Promise.all(paths.map(modeOf))).toEqual(['700', '700', '600']);
  });

  it('a folder that was there keeps its mode', async () => {
    const folder = join(await temporaryFolder(), 'shared');
    await mkdir(folder);
    await chmod(folder, 0o755);
    await makePrivateFolder(folder);
    expect(await modeOf(folder)).toBe('755');
  });

  it('a file that is replaced becomes its owner’s', async () => {
    const path = join(await temporaryFolder(), 'f');
    await writeFile(path, '');
    await chmod(path, 0o644);
    await replaceFile(path, 'x');
    expect(await modeOf(path)).toBe('600');
  });

  it('hardening takes group and world off files and folders, and does not follow links', async () => {
    const folder = await temporaryFolder();
    const [file, inner, target, link] = ['file', 'inner', 'target', 'link'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    await writeFile(file, '');
    await writeFile(target, '');
    await mkdir(inner);
    await symlink(target, link);
    for (const path of [file, target]) await chmod(path, 0o644);
    await chmod(inner, 0o755);
    for (const path of [file, inner, link, join(folder, 'missing')]) await hardenPermissions(path);
    expect(await Promise.all([file, inner, target].map(modeOf))).toEqual(['600', '700', '644']);
  });
});
