import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { KmiError } from '../../src/errors.ts';

let root: string;
let home: string;
let project: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kmi-places-'));
  home = join(root, 'home');
  project = join(root, 'project');
  mkdirSync(join(home, '.kmi'), { recursive: true });
  mkdirSync(project);
  vi.stubEnv('HOME', home);
  expect(homedir()).toBe(home);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

function write(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

function load(environment: Environment = {}, cwd = project, options = {}) {
  return loadConfig(environment, cwd, options);
}

describe('settings', () => {
  it('are those of ~/.kmi/.env where the working folder has none', () => {
    const file = write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\n');
    const { config, sources, envFile, settingsFile } = load();
    expect([config.dryRun, sources.dryRun, envFile, settingsFile]).toEqual([false, { kind: 'file', file }, file, file]);
  });

  it('are those of the working folder alone when its .env sets a variable of kmi', () => {
    write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\nKMI_LOCALE=ru\n');
    const file = write(join(project, '.env'), 'PORT=3000\nKMI_TIMEZONE=UTC\n');
    const { config, envFile, passedOver } = load();
    expect([config.dryRun, config.locale, config.timezone, envFile, passedOver]).toEqual([true, 'en', 'UTC', file, null]);
  });

  it("are the home's still when the .env of a project is not for kmi, and that one is named", () => {
    write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\n');
    for (const text of [
      'PORT=3000\nDATABASE_URL=postgres://x\n',
      '# KMI_DRY_RUN=1\n',
      '',
      'KIMI_API_KEY=x\nMY_KMI_DRY_RUN=1\n',
    ]) {
      const file = write(join(project, '.env'), text);
      const { config, passedOver, unused } = load();
      expect([config.dryRun, passedOver, unused]).toEqual([false, file, []]);
    }
  });

  it.each([
    'set KMI_DRY_RUN=0',
    '$env:KMI_DRY_RUN="0"',
    'setx KMI_DRY_RUN 0',
    'KMI_DRY_RUN 0',
    '{"KMI_DRY_RUN":"0"}',
    '\u200bKMI_DRY_RUN=0',
    'KMI_\uFEFFDRY_RUN=0',
  ])('are not those of a file whose only line for kmi is %j, which is named', (line) => {
    const file = write(join(project, '.env'), `PORT=3000\n${line}\n`);
    const named = { file, name: 'KMI_DRY_RUN', why: 'in line 2 sets nothing; write KMI_DRY_RUN=value' };
    expect(load()).toMatchObject({ config: { dryRun: true }, envFile: null, passedOver: file, unused: [named] });
    write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\n');
    expect(load()).toMatchObject({ config: { dryRun: false }, passedOver: file, unused: [named] });
  });

  it.each(['KMI_PROXY_TOKEN=abcdefgh12345678#zz', 'KMI_PROXY_TOKEN=#zz', 'KMI_UPSTREAM_PROXY=http://me:a#b@proxy:1'])(
    'that are secret and cut at a # are refused: %s',
    (line) => {
      write(join(project, '.env'), `${line}\n`);
      const [name = ''] = line.split('=');
      expect(() => load()).toThrow(
        `${name}=(hidden)  accepted: a whole value; the file's is cut at the #; put the value in quotes`,
      );
      expect(() => load({ [name]: 'http://whole:1' })).not.toThrow();
      expect(() => load({ KMI_ENV_PATH: join(project, '.env'), [name]: 'http://whole:1' })).toThrow(KmiError);
    },
  );

  it("of kmi's own folder are read for slips whatever stands there", () => {
    const file = write(join(home, '.kmi', '.env'), 'PORT=3000\nset KMI_LOCALE=ru\nDRY_RUN=0\n');
    const { envFile, passedOver, unused } = load();
    expect([envFile, passedOver, unused.map(({ name }) => name)]).toEqual([file, null, ['DRY_RUN', 'KMI_LOCALE']]);
  });

  it('are written to ~/.kmi/.env while there is no env file, to the working folder with --here', () => {
    expect([load().envFile, load().settingsFile]).toEqual([null, join(home, '.kmi', '.env')]);
    write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\n');
    const here = load({}, project, { here: true });
    expect([here.envFile, here.settingsFile, here.config.dryRun]).toEqual([null, join(project, '.env'), true]);
  });

  it('come from the environment first, and from a file named by KMI_ENV_PATH before it, without the home', () => {
    write(join(home, '.kmi', '.env'), 'KMI_LOCALE=ru\nKMI_PLAIN=1\n');
    const named = write(join(root, 'named.env'), 'KMI_TIMEZONE=UTC\n');
    expect(load({ KMI_LOCALE: 'en' }).config).toMatchObject({ locale: 'en', plain: true });
    expect(load({ KMI_ENV_PATH: named }).config).toMatchObject({ locale: 'en', plain: false, timezone: 'UTC' });
  });

  it('are the same in ~/.kmi itself', () => {
    const file = write(join(home, '.kmi', '.env'), 'KMI_UPSTREAM_BASE_URL=https://gateway.example/v1\n');
    write(join(home, '.kimi', '_auths', 'a.env'));
    expect(load({}, join(home, '.kmi'))).toMatchObject({ envFile: file, keysOf: 'shared', passedOver: null });
  });
});

describe('the auths folder', () => {
  const here = () => join(project, '_auths');
  const own = () => join(home, '.kmi', '_auths');
  const shared = () => join(home, '.kimi', '_auths');
  const found = () => [load().config.authsDir, load().keysOf];

  it('is ~/.kmi/_auths, ~/.kimi/_auths when only that exists', () => {
    expect(found()).toEqual([own(), 'home']);
    mkdirSync(shared(), { recursive: true });
    expect(found()).toEqual([shared(), 'shared']);
    mkdirSync(own());
    expect(found()).toEqual([own(), 'home']);
  });

  it('is that of the working folder once it holds something', () => {
    write(join(own(), 'a.env'));
    mkdirSync(here());
    expect(found()).toEqual([own(), 'home']);
    // As in a checkout of kmi.
    for (const name of ['README.md', 'readme', '.gitignore', '.DS_Store']) write(join(here(), name));
    expect(found()).toEqual([own(), 'home']);
    write(join(here(), 'work.env'));
    expect(found()).toEqual([here(), 'here']);
  });

  it.each(['.env', 'alice/config.toml', 'work.env.txt'])('counts when it holds %s', (name) => {
    write(join(own(), 'a.env'));
    write(join(here(), name));
    expect(found()).toEqual([here(), 'here']);
  });

  it('goes its own way: a folder with keys alone has the settings of the home, one with a .env alone the keys of the home', () => {
    write(join(home, '.kmi', '.env'), 'KMI_DRY_RUN=0\n');
    write(join(own(), 'a.env'));
    write(join(here(), 'b.env'));
    expect([load().config.dryRun, load().config.authsDir]).toEqual([false, here()]);
    rmSync(here(), { recursive: true });
    write(join(project, '.env'), 'KMI_LOCALE=ru\n');
    expect([load().config.dryRun, load().config.authsDir]).toEqual([true, own()]);
  });

  it('is what KMI_AUTHS_DIR says', () => {
    write(join(here(), 'b.env'));
    const { config, keysOf } = load({ KMI_AUTHS_DIR: '~/keys' });
    expect([config.authsDir, keysOf]).toEqual([join(home, 'keys'), 'stated']);
  });
});

describe('a .env that came with a project', () => {
  const GATEWAY = 'KMI_UPSTREAM_BASE_URL=https://gateway.example/v1\n';

  function refusal(): string {
    try {
      load();
    } catch (error) {
      if (error instanceof KmiError) return error.message;
      throw error;
    }
    return '';
  }

  it('cannot send keys that are kept elsewhere to a host of its choice', () => {
    write(join(home, '.kmi', '_auths', 'a.env'));
    write(join(project, '.env'), GATEWAY);
    expect(refusal()).toMatch(/would send the keys in .*\.kmi\/_auths to gateway\.example/);
    write(join(project, '.env'), `${GATEWAY}KMI_AUTHS_DIR=~/.kmi/_auths\n`);
    expect(refusal()).toContain('gateway.example');
  });

  it.each(['KMI_OAUTH_HOST=https://evil.example', 'KMI_OAUTH_HOST_OVERRIDES_SLOTS=1'])('cannot say %s', (line) => {
    write(join(project, '.env'), `KMI_DRY_RUN=0\n${line}\n`);
    expect(refusal()).toContain('which says where logins are renewed');
    rmSync(join(project, '.env'));
    write(join(home, '.kmi', '.env'), `${line}\n`);
    expect(refusal()).toBe('');
  });

  it('may name its own keys, this machine and Kimi', () => {
    write(join(home, '.kmi', '_auths', 'a.env'));
    for (const url of ['http://127.0.0.1:9/v1', 'https://api.moonshot.ai/v1', 'https://api.kimi.com/coding/v1']) {
      write(join(project, '.env'), `KMI_UPSTREAM_BASE_URL=${url}\n`);
      expect(refusal()).toBe('');
    }
    write(join(project, '.env'), GATEWAY);
    write(join(project, '_auths', 'b.env'));
    expect(refusal()).toBe('');
  });

  it('is believed when somebody named it, and so are the home and the environment', () => {
    write(join(home, '.kmi', '_auths', 'a.env'));
    const file = write(join(project, '.env'), GATEWAY);
    expect(load({ KMI_ENV_PATH: file }).config.upstreamBaseUrl).toContain('gateway.example');
    rmSync(file);
    write(join(home, '.kmi', '.env'), GATEWAY);
    expect(refusal()).toBe('');
  });
});
