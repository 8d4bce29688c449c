import { chmod, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TemporaryHome, temporaryHome } from '../support/home.ts';
import { canActAsOthers, folderForAll, runAs, USER } from '../support/other-user.ts';
import { runKmi } from '../support/spawn.ts';

const FOLDERS = ['', 'logs', 'trace', 'usage', 'logins'];
const FILES = [
  'state.json',
  'state.json.corrupt.20260202T000000Z',
  'sessions.bin',
  'uploads.json',
  'quota.json',
  'proxy.pid',
  'proxy.stopping',
  'logs/kmi.log',
  'logs/kmi.log.1',
  'logs/proxy.out',
  'trace/trace.jsonl',
  'trace/trace.jsonl.2',
  'usage/2026-02-02.jsonl',
  'logins/0a1b2c3d.json',
  'device_id',
];

/** A state folder that somebody opened to all. */
async function looseHome(): Promise<TemporaryHome> {
  const home = await temporaryHome();
  await home.addKey({ label: 'a' });
  for (const folder of FOLDERS) await mkdir(join(home.stateDir, folder));
  for (const file of FILES)
    await writeFile(join(home.stateDir, file), file === 'state.json' ? '{"schema_version":1,"keys":{}}' : '');
  await loosen(home);
  return home;
}

async function loosen({ stateDir }: TemporaryHome): Promise<void> {
  for (const folder of FOLDERS) await chmod(join(stateDir, folder), 0o755);
  for (const file of FILES) await chmod(join(stateDir, file), 0o644);
}

const modeOf = async (path: string) => ((await lstat(path)).mode & 0o777).toString(8);

async function openIn(folder: string): Promise<string[]> {
  const names = ['', ...(await readdir(folder, { recursive: true }))];
  const modes = await Promise.all(names.map(async (name) => [name, await modeOf(join(folder, name))] as const));
  return modes.flatMap(([name, mode]) => (/[1-7]\d?$/.test(mode.slice(1)) && mode.slice(1) !== '00' ? [`${name} ${mode}`] : []));
}

describe.skipIf(process.platform === 'win32')('a state folder that others can read', () => {
  it.each([
    'status',
    'keys',
    'rotate',
    'config',
    'env',
    'usage',
    'trace --last 1',
    'why last',
    'proxy-logs --no-follow',
    'proxy-stop -y',
    'completion --labels',
    'run -- true',
  ])('is closed by kmi %s, file by file', async (line) => {
    const home = await looseHome();
    const { stderr } = await runKmi(line.split(' '), { env: home.env, cwd: home.root });
    expect(stderr).not.toMatch(/unexpected/);
    expect(await openIn(home.stateDir)).toEqual([]);
    // It has started a proxy for what it runs.
    if (line.startsWith('run')) await runKmi(['stop'], { env: home.env, cwd: home.root });
  });

  it('stays so with KMI_ENFORCE_FILE_PERMS=0, and under doctor, which reports it and mends it with --fix', async () => {
    const home = await looseHome();
    await runKmi(['status'], { env: { ...home.env, KMI_ENFORCE_FILE_PERMS: '0' }, cwd: home.root });
    expect(await modeOf(join(home.stateDir, 'state.json'))).toBe('644');
    const { stdout } = await runKmi(['doctor'], { env: home.env, cwd: home.root });
    expect(stdout).toContain(join(home.stateDir, 'state.json'));
    expect(await modeOf(join(home.stateDir, 'state.json'))).toBe('644');
    await runKmi(['doctor', '--fix'], { env: home.env, cwd: home.root });
    expect(await modeOf(join(home.stateDir, 'state.json'))).toBe('600');
    expect(await modeOf(home.stateDir)).toBe('700');
  });

  it('links and what is not kmi’s are left alone', async () => {
    const home = await looseHome();
    const target = join(home.root, 'target');
    await writeFile(target, '', { mode: 0o644 });
    await symlink(target, join(home.stateDir, 'state.json.link'));
    await writeFile(join(home.stateDir, 'notes.txt'), '', { mode: 0o644 });
    await runKmi(['status'], { env: home.env, cwd: home.root });
    expect([await modeOf(target), await modeOf(join(home.stateDir, 'notes.txt'))]).toEqual(['644', '644']);
  });

  it('a home folder that serves as state folder keeps its mode, as does a folder that users share', async () => {
    for (const mode of [0o755, 0o1777]) {
      const home = await temporaryHome();
      await chmod(home.root, mode);
      await writeFile(join(home.root, 'state.json'), '{"schema_version":1,"keys":{}}', { mode: 0o644 });
      const HOME = mode === 0o755 ? home.root : '/nonexistent';
      const ran = await runKmi(['status'], { env: { ...home.env, HOME, KMI_STATE_DIR: home.root }, cwd: home.root });
      expect(ran.stderr).toBe('');
      expect((await lstat(home.root)).mode & 0o7777).toBe(mode);
    }
  });

  it.skipIf(!canActAsOthers)('is not touched and no obstacle when it is another user’s (needs root)', async () => {
    const root = await folderForAll();
    const state = join(root, 'state');
    await mkdir(state);
    await chmod(state, 0o755);
    await writeFile(join(state, 'state.json'), '{"schema_version":1,"keys":{}}', { mode: 0o644 });
    const env = { HOME: root, KMI_STATE_DIR: state, KMI_AUTHS_DIR: join(root, '_auths') };
    const { text } = await runAs(['status'], { env, cwd: root, uid: USER });
    expect(text).not.toMatch(/unexpected|cannot/);
    expect([await modeOf(state), await modeOf(join(state, 'state.json'))]).toEqual(['755', '644']);
  });
});
