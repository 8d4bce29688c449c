import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cleanUp } from '../support/cleanup.ts';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const COMMANDS = [['status'], ['--help'], ['keys'], ['status', '--nonsense']] as const;
/** Of each file; more than one damage is tried in a run, one in each file. */
const FLIPS = 24;

/** Notes of each chunk that is not compiled by Node's own loader whether V8 refused its cache: true, false, or undefined for none. */
const NOTES = `
const vm = require('node:vm');
const { appendFileSync } = require('node:fs');
const { Script } = vm;
vm.Script = class extends Script {
  constructor(code, options) {
    super(code, options);
    appendFileSync(process.env.NOTES, options.filename.replace(/-[\\w-]{8}\\.js$/, '') + ' ' + this.cachedDataRejected + '\\n');
  }
};
`;

let home: TemporaryHome;
let folder: string;
let dist: string;
/** What each command prints without any cache. */
let expected: readonly unknown[];

beforeAll(async () => {
  home = await temporaryHome();
  for (const label of ['ada', 'bob', 'eve']) await home.addKey({ label });
  folder = await mkdtemp(join(tmpdir(), 'kmi-cache-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  dist = join(folder, 'dist');
  await cp(join(CHECKOUT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'notes.cjs'), NOTES);
  await install();
  await rm(join(dist, 'code-cache'), { recursive: true });
  expected = await outputs();
});

/** A copy of the build, elsewhere than where it was built. */
async function install(): Promise<void> {
  await rm(dist, { recursive: true, force: true });
  await cp(join(CHECKOUT, 'dist'), dist, { recursive: true });
}

async function outputs(): Promise<readonly unknown[]> {
  const ended = [];
  for (const args of COMMANDS) ended.push(await run(args));
  return ended;
}

/** Coverage would switch the caches off. */
function run(args: readonly string[], { script = 'cli.js', env = {} }: { script?: string; env?: Record<string, string> } = {}) {
  return runKmi(args, { script: join(dist, script), cwd: home.root, env: { ...home.env, NODE_V8_COVERAGE: '', ...env } });
}

/** The chunks that were loaded, each with what V8 said of its cache. */
async function notesOf(args: readonly string[], options: Parameters<typeof run>[1] = {}): Promise<readonly string[]> {
  const notes = join(folder, 'notes');
  await writeFile(notes, '');
  const env = { NOTES: notes, NODE_OPTIONS: `--require ${join(folder, 'notes.cjs')}`, ...options.env };
  await run(args, { ...options, env });
  const text = await readFile(notes, 'utf8');
  return text.split('\n').slice(0, -1);
}

async function cacheFolder(): Promise<string> {
  const folders = await readdir(join(dist, 'code-cache'));
  expect(folders).toHaveLength(1);
  return join(dist, 'code-cache', folders[0] as string);
}

/** Changes every file of the cache: `damage` gets the bytes, and gives what the file shall hold. */
async function damageEach(damage: (bytes: Buffer) => Buffer): Promise<void> {
  await install();
  const caches = await cacheFolder();
  const names = await readdir(caches);
  expect(names.length).toBeGreaterThan(2);
  for (const name of names) await writeFile(join(caches, name), damage(await readFile(join(caches, name))));
}

describe('the code cache of a build', () => {
  it('is taken by V8 for all that everyday commands load, by both bins, wherever the build is moved', async () => {
    await install();
    const chunks = ['start false', 'everyday false', 'rolldown-runtime false'];
    expect(await notesOf(['status'])).toEqual(chunks);
    expect(await notesOf(['--help'])).toEqual(['start false', 'command-line false', 'rolldown-runtime false']);
    expect((await notesOf([], { script: 'robin.js' }))[0]).toBe('start false');
    expect(await outputs()).toEqual(expected);
  });

  it('holds no path of the machine it was built on', async () => {
    await install();
    const caches = await cacheFolder();
    for (const name of await readdir(caches)) expect((await readFile(join(caches, name))).includes(CHECKOUT)).toBe(false);
  });

  it('is left alone where coverage or source maps are asked for, or caches are not wanted', async () => {
    await install();
    expect(await notesOf(['status'], { env: { NODE_V8_COVERAGE: join(folder, 'coverage') } })).toEqual([]);
    expect(await notesOf(['status'], { env: { NODE_DISABLE_COMPILE_CACHE: '1' } })).toEqual([]);
    const mapped = `--require ${join(folder, 'notes.cjs')} --enable-source-maps`;
    expect(await notesOf(['status'], { env: { NODE_OPTIONS: mapped } })).toEqual([]);
  });

  it('is not read by another Node', async () => {
    await install();
    const caches = await cacheFolder();
    await rename(caches, caches.replace(/v[^/\\]+$/, 'v0.12.0-linux-x64-1'));
    expect(await notesOf(['status'])).toEqual([]);
    expect(await outputs()).toEqual(expected);
  });

  it('is refused by V8 under other flags, without a word', async () => {
    await install();
    const flags = `--require ${join(folder, 'notes.cjs')} --stack-trace-limit=20`;
    expect((await notesOf(['status'], { env: { NODE_OPTIONS: flags } }))[0]).toBe('start true');
    expect(await run(['status'], { env: { NODE_OPTIONS: '--stack-trace-limit=20' } })).toEqual(expected[0]);
  });
});

describe('a damaged code cache changes nothing', () => {
  it.each(Array.from({ length: FLIPS }, (_, n) => n))('one byte wrong, %i', async (n) => {
    // The first bytes are V8's header, the rest is spread over both halves.
    const at = (bytes: Buffer) => (n < 8 ? n * 4 : Math.floor((bytes.length - 1) * ((n - 8) / (FLIPS - 9))));
    await damageEach((bytes) => {
      bytes.writeUInt8(bytes.readUInt8(at(bytes)) ^ (1 << (n % 8)), at(bytes));
      return bytes;
    });
    expect(await notesOf(['status'])).toEqual(['start undefined', 'everyday undefined', 'rolldown-runtime undefined']);
    expect(await outputs()).toEqual(expected);
  });

  it.each([
    ['empty', () => Buffer.alloc(0)],
    ['one byte', (bytes: Buffer) => bytes.subarray(0, 1)],
    ['one byte short', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['cut in half', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['cut in a block of a disk', (bytes: Buffer) => bytes.subarray(0, 4096)],
    ['zeros', (bytes: Buffer) => Buffer.alloc(bytes.length)],
    ['text', (bytes: Buffer) => Buffer.alloc(bytes.length, 'kmi')],
  ])('%s', async (_, damage) => {
    await damageEach(damage);
    expect(await notesOf(['status'])).not.toContain('start false');
    expect(await outputs()).toEqual(expected);
  });

  it('of another V8', async () => {
    await damageEach((bytes) => {
      for (const half of [0, bytes.length / 2]) bytes.writeUInt32LE(~bytes.readUInt32LE(half + 4) >>> 0, half + 4);
      return bytes;
    });
    expect(await notesOf(['status'])).toEqual(['start true', 'everyday true', 'rolldown-runtime true']);
    expect(await outputs()).toEqual(expected);
  });

  it('of another build: a chunk of this name had other code', async () => {
    await install();
    const caches = await cacheFolder();
    const named = async (start: string) => join(caches, (await readdir(caches)).find((name) => name.startsWith(start)) as string);
    await cp(await named('command-line-'), await named('start-'));
    expect((await notesOf(['status']))[0]).toBe('start true');
    expect(await outputs()).toEqual(expected);
  });

  it('one chunk without, the others with their caches; a folder in place of a file', async () => {
    await install();
    const caches = await cacheFolder();
    const names = await readdir(caches);
    const file = join(caches, names.find((name) => name.startsWith('everyday-')) as string);
    await rm(file);
    expect(await notesOf(['status'])).toEqual(['start false', 'everyday undefined', 'rolldown-runtime false']);
    expect(await outputs()).toEqual(expected);
    await mkdir(file);
    expect(await outputs()).toEqual(expected);
  });
});

it('a chunk that is gone is reported as Node reports it', async () => {
  const messages = [];
  for (const cached of [true, false]) {
    await install();
    if (!cached) await rm(join(dist, 'code-cache'), { recursive: true });
    const chunk = (await readdir(dist)).find((name) => /^everyday-.*\.js$/.test(name)) as string;
    await rm(join(dist, chunk));
    const { code, stderr } = await run(['status']);
    messages.push([code, stderr.split('\n')[0]]);
  }
  expect(messages[0]?.[1]).toContain('MODULE_NOT_FOUND');
  expect(messages[0]).toEqual(messages[1]);
});
