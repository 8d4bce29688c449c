import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { cleanUp } from './cleanup.ts';
import { noteNodeWarnings } from './node-warnings.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/** Only root can act as another user. Give this to `describe.skipIf(!canActAsOthers)`. */
export const canActAsOthers = process.getuid?.() === 0;

/** A user without files, groups or rights of its own. */
export const USER = 65534;

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string; readonly text: string };

export type RunAs = {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid?: number;
};

/** Runs the built binary as another user. */
export async function runAs(args: readonly string[], { env, cwd, uid = USER }: RunAs): Promise<Ran> {
  installed ??= install();
  const { node, cli } = await installed;
  return new Promise((done) => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env }, cwd, uid, gid: uid, timeout: 30_000 };
    const child = execFile(node, [cli, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      noteNodeWarnings(`kmi ${args.join(' ')}`, stderr);
      done({ code, stdout, stderr, text: stdout + stderr });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end();
  });
}

/** A temporary folder that every user may enter. */
export async function folderForAll(mode = 0o755): Promise<string> {
  for (const parent of [tmpdir(), '/tmp', '/var/tmp']) {
    if (!(await isReachable(parent))) continue;
    const folder = await mkdtemp(join(parent, 'kmi-all-'));
    cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
    await chmod(folder, mode);
    return folder;
  }
  throw new Error('There is no temporary folder that every user may enter.');
}

type Installation = { readonly node: string; readonly cli: string };

/** One a test file. */
let installed: Promise<Installation> | null = null;

/** The checkout, and Node itself, may lie where other users cannot go (`/root`, a home of mode 700), so they get copies. */
async function install(): Promise<Installation> {
  const folder = await folderForAll();
  await copy(join(CHECKOUT, 'dist'), join(folder, 'dist'));
  await copy(join(CHECKOUT, 'package.json'), join(folder, 'package.json'));
  for (const name of await packagesAtRunTime()) {
    await copy(join(CHECKOUT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  const node = join(folder, 'node');
  if (await isReachable(process.execPath)) return { node: process.execPath, cli: join(folder, 'dist/cli.js') };
  await cp(process.execPath, node);
  await chmod(node, 0o755);
  return { node, cli: join(folder, 'dist/cli.js') };
}

/** A clone made under a strict umask has files for its owner only. */
async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const filter = (source: string) => !/\.(?:map|md|ts)$|\/test$/.test(source);
  await cp(from, to, { recursive: true, dereference: true, filter });
  await openToAll(to);
}

async function openToAll(path: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    execFile('chmod', ['-R', 'a+rX', path], (error) => (error === null ? done() : fail(error)));
  });
}

/** What `dist` loads that is not bundled into it (scripts/build.mjs), and what that needs. */
async function packagesAtRunTime(): Promise<ReadonlySet<string>> {
  const build = await readFile(join(CHECKOUT, 'scripts/build.mjs'), 'utf8');
  const names = /const PACKAGES = \[(.*)\]/.exec(build)?.[1] ?? '';
  const found = new Set<string>();
  const wanted = [...names.matchAll(/'([^']+)'/g)].map(([, name]) => name as string);
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const text = await readFile(join(CHECKOUT, 'node_modules', name, 'package.json'), 'utf8').catch(() => null);
    // One that is not there lies in the folder of the package that needs it, and was copied with that.
    if (text === null) found.delete(name);
    else wanted.push(...Object.keys(JSON.parse(text).dependencies ?? {}));
  }
  return found;
}

/** Whether every user may go to a path: all folders above it can be entered, and it can be read and run itself. */
async function isReachable(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  const isEnterable = (mode & 0o001) !== 0 && (mode & 0o004) !== 0;
  const parent = dirname(path);
  return isEnterable && (parent === path || (await isReachable(parent)));
}
