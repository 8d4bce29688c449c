import { execFile } from 'node:child_process';
import { chown, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { canActAsOthers, folderForAll, type Ran, runAs, USER } from '../support/other-user.ts';
import { runKmi } from '../support/spawn.ts';

type Home = {
  readonly root: string;
  readonly state: string;
  readonly auths: string;
  readonly env: Readonly<Record<string, string>>;
  readonly asUser: (line: string, env?: Record<string, string>) => Promise<Ran>;
  readonly asRoot: (line: string, env?: Record<string, string>) => ReturnType<typeof runKmi>;
};

/** A user's home with one key; root runs commands in it as after `sudo`. */
async function usersHome(): Promise<Home> {
  const root = join(await folderForAll(), 'home');
  const auths = join(root, '_auths');
  const state = join(root, '.kmi');
  await mkdir(auths, { recursive: true, mode: 0o700 });
  await writeFile(join(auths, 'one.env'), 'KMI_API_KEY=sk-kimi-one-0123456789\n', { mode: 0o600 });
  await giveTo(root, USER);
  const env = {
    HOME: root,
    KMI_AUTHS_DIR: auths,
    KMI_STATE_DIR: state,
    KMI_PROXY_LISTEN: `127.0.0.1:${await freePort()}`,
    KMI_AUTO_ROTATE_E2E: '0',
  };
  return {
    root,
    state,
    auths,
    env,
    asUser: (line, more = {}) => runAs(line.split(' '), { env: { ...env, ...more }, cwd: root }),
    asRoot: (line, more = {}) => runKmi(line.split(' '), { env: { ...env, ...more }, cwd: root }),
  };
}

const giveTo = (path: string, uid: number) => promisify(execFile)('chown', ['-R', `${uid}:${uid}`, path]);

async function ownersIn(folder: string): Promise<Record<string, number>> {
  const names = await readdir(folder, { recursive: true });
  const entries = await Promise.all(['', ...names].map(async (name) => [name, (await lstat(join(folder, name))).uid] as const));
  return Object.fromEntries(entries);
}

describe.skipIf(!canActAsOthers)('what is root’s after one `sudo kmi` (needs root)', () => {
  it('a state folder of root is named, with its owner and the command that gives it back', async () => {
    const home = await usersHome();
    await home.asRoot('rotate off');
    const fix = `sudo chown -R nobody ${home.state}`;
    for (const line of [
      'rotate',
      'keys disable one',
      'trace --last 3',
      'usage',
      'proxy',
      'env',
      'init --yes --live',
      'run -- true',
    ]) {
      const { code, text } = await home.asUser(line);
      expect(code, line).not.toBe(0);
      expect(text, line).toContain(`The folder ${home.state} belongs to root`);
      expect(text, line).toContain(fix);
      expect(text, line).not.toMatch(/unexpected|EACCES|proxy\.token|state\.json/);
    }
  });

  it('commands that look on show what they can', async () => {
    const home = await usersHome();
    await home.asRoot('rotate off');
    for (const line of ['status', 'keys', 'keys list --json', 'health', 'doctor']) {
      const { stdout, stderr } = await home.asUser(line);
      expect(stdout, line).toContain('one');
      expect(stderr, line).toContain(`The folder ${home.state} belongs to root`);
      expect(stderr, line).toContain(`settings in ${home.state} cannot be read and are left out`);
    }
    const doctor = await home.asUser('doctor');
    expect(doctor.stdout).toContain('Setup');
    expect(doctor.stdout.replace(/\s+/g, ' ')).toContain(`sudo chown -R nobody ${home.state}`);
    expect(doctor.code).toBe(1);
  });

  it('settings that may lie in a closed ~/.kmi are not taken for the defaults where something would be sent or changed', async () => {
    const home = await usersHome();
    await home.asRoot('rotate off');
    const elsewhere = { KMI_STATE_DIR: join(home.root, 'state') };
    const denied = `The folder ${home.state} belongs to root, and you cannot read it.`;
    const fix = `Make it yours again: sudo chown -R nobody ${home.state}`;
    for (const line of ['proxy', 'rotate', 'keys disable one', 'init --yes', 'env', 'config']) {
      expect(await home.asUser(line, elsewhere), line).toMatchObject({
        code: 2,
        stdout: '',
        stderr: `kmi: ${denied}\n     ${fix}\n`,
      });
    }
    const looks = await home.asUser('keys', elsewhere);
    expect(looks).toMatchObject({ code: 0, stdout: expect.stringContaining('one') });
    expect(looks.stderr).toBe(`kmi: ${denied} Settings in it are left out. ${fix}\n`);
    const named = { ...elsewhere, KMI_ENV_PATH: join(home.root, 'named.env') };
    await writeFile(named.KMI_ENV_PATH, '', { mode: 0o644 });
    expect(await home.asUser('rotate', named)).toMatchObject({ code: 0, stderr: '' });
  });

  it('a HOME that is another’s and closed counts as none', async () => {
    const home = await usersHome();
    const closed = join(home.root, '..', 'closed');
    await mkdir(join(closed, '.kmi'), { recursive: true, mode: 0o700 });
    const env = { HOME: closed, KMI_STATE_DIR: join(home.root, 'state') };
    expect(await home.asUser('rotate', env)).toMatchObject({ code: 0, stderr: '' });
    const { code, text } = await home.asUser('rotate off', { HOME: closed, KMI_STATE_DIR: '' });
    expect(code).not.toBe(0);
    expect(text).toContain(`The folder ${closed} belongs to root`);
  });

  it.each(['state.json', 'logs', 'trace', 'usage', 'proxies', 'logs/kmi.log', 'trace/trace.jsonl', 'proxy.token', 'proxy.pid'])(
    'a %s of root is named by doctor, and the folder is the one to give back',
    async (name) => {
      const home = await usersHome();
      const path = join(home.state, name);
      await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
      if (name.includes('.'))
        await writeFile(path, name === 'state.json' ? '{"schema_version":1,"keys":{}}' : '1\n', { mode: 0o600 });
      else await mkdir(path, { mode: 0o700 });
      await giveTo(home.state, USER);
      await chown(path, 0, 0);
      const { code, stdout } = await home.asUser('doctor');
      const text = stdout.replace(/\s+/g, ' ');
      expect(text).toContain(`${path} belongs to root`);
      expect(text).toContain(`sudo chown -R nobody ${home.state}`);
      expect(code).toBe(1);
      const status = await home.asUser('status');
      expect(status.text).toContain('one');
      expect(status.text).not.toMatch(/unexpected/);
    },
  );

  it('keys that root has closed are not "no keys"', async () => {
    const home = await usersHome();
    await chown(join(home.auths, 'one.env'), 0, 0);
    expect((await home.asUser('keys')).stderr).toContain(`The file ${join(home.auths, 'one.env')} belongs to root`);
    await chown(home.auths, 0, 0);
    for (const line of ['status', 'keys', 'proxy', 'doctor']) {
      const { text } = await home.asUser(line);
      expect(text.replace(/\s+/g, ' '), line).toContain(`The folder ${home.auths} belongs to root`);
      expect(text.replace(/\s+/g, ' '), line).toContain(`sudo chown -R nobody ${home.auths}`);
    }
  });

  it('a settings file of root is named', async () => {
    const home = await usersHome();
    await writeFile(join(home.root, '.env'), 'KMI_DRY_RUN=0\n', { mode: 0o600 });
    const { code, text } = await home.asUser('status');
    expect([code, text]).toEqual([2, expect.stringContaining(`The file ${join(home.root, '.env')} belongs to root`)]);
  });

  it('a folder that is none of ours is not to be given away: another is to be named', async () => {
    const home = await usersHome();
    const { code, text } = await home.asUser('rotate off', { KMI_STATE_DIR: '/kmi-state' });
    expect(code).toBe(1);
    expect(text).toContain('The folder / belongs to root, and you cannot write to it.');
    expect(text).toContain('KMI_STATE_DIR');
    expect(text).not.toContain('chown');
  });

  it('one’s own folder without permissions is opened with chmod', async () => {
    const home = await usersHome();
    await mkdir(home.state, { mode: 0o500 });
    await chown(home.state, USER, USER);
    const { text } = await home.asUser('rotate off');
    expect(text).toContain(`chmod u+rwx ${home.state}`);
  });
});

describe.skipIf(!canActAsOthers)('under sudo (needs root)', () => {
  it('what is made in a user’s folders is that user’s', async () => {
    const home = await usersHome();
    const sudo = { SUDO_UID: String(USER), SUDO_GID: String(USER) };
    await home.asRoot('keys add two --no-test --key-stdin', sudo);
    await home.asRoot('rotate auto', { ...sudo, KMI_AUTO_ROTATE_ALLOWED: '1' });
    await home.asRoot('init --yes --live', sudo);
    expect(await home.asRoot('proxy --make-token', sudo)).toMatchObject({ code: 0 });
    const token = (await readFile(join(home.state, 'proxy.token'), 'utf8')).trim();
    const url = `http://${home.env.KMI_PROXY_LISTEN}/kmi-rotor/v1/models`;
    await (await fetch(url, { headers: { 'x-api-key': token } })).text();
    expect(await home.asRoot('proxy-stop -y', sudo)).toMatchObject({ code: 0 });
    const owners = await ownersIn(home.root);
    expect(Object.keys(owners)).toEqual(
      expect.arrayContaining([
        '.kmi/.env',
        '.kmi/state.json',
        '.kmi/proxy.token',
        '.kmi/logs/proxy.out',
        '.kmi/trace/trace.jsonl',
      ]),
    );
    expect(Object.entries(owners).filter(([, uid]) => uid !== USER)).toEqual([]);
    expect(await home.asUser('status')).toMatchObject({ stderr: '' });
    expect(await home.asUser('rotate off')).toMatchObject({ code: 0 });
  });

  it('root without sudo keeps what it makes, and a folder of root’s stays root’s', async () => {
    const home = await usersHome();
    await home.asRoot('rotate off');
    expect(Object.values(await ownersIn(home.state)).every((uid) => uid === 0)).toBe(true);
    await rm(home.state, { recursive: true });
    await chown(home.root, 0, 0);
    await home.asRoot('rotate off', { SUDO_UID: String(USER) });
    expect((await lstat(home.state)).uid).toBe(0);
  });
});
