import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { KmiError } from '../../src/errors.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmi-config-'));
  vi.stubEnv('HOME', join(folder, 'home'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function load(environment: Environment = {}) {
  return loadConfig(environment, folder);
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function failure(environment: Environment): KmiError {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof KmiError) return error;
    throw error;
  }
  throw new Error('These settings were accepted.');
}

it.each(['none', 'DIRECT', 'off', 'no', 'false', '0', '"none"', 'direct://'])('KMI_UPSTREAM_PROXY=%s means no proxy', (value) => {
  const { config } = load({ KMI_UPSTREAM_PROXY: value, HTTPS_PROXY: 'http://127.0.0.1:1' });
  expect(config.upstreamProxy).toBe('none');
});

it.each(['proxy', 'on', '1', 'system'])('KMI_UPSTREAM_PROXY=%s is refused with the reason', (value) => {
  expect(failure({ KMI_UPSTREAM_PROXY: value }).message).toMatch(/none for no proxy \(it is one word without a port, .*\)$/);
});

const GOOD_AND_BAD: readonly [variable: string, good: string, bad: string][] = [
  ['KMI_UPSTREAM_BASE_URL', 'http://127.0.0.1:9/v1', 'http://gateway.example/v1'],
  ['KMI_UPSTREAM_ALLOWLIST', '*.kimi.com', 'https://api.kimi.com'],
  ['KMI_UPSTREAM_PROXY', 'socks5://127.0.0.1:1080', 'ftp://127.0.0.1'],
  ['KMI_PROXY_LISTEN', '[::1]:8080', '8080'],
  ['KMI_PROXY_BASE_PATH', '/v1', 'v1'],
  ['KMI_PROXY_ALLOWED_ORIGINS', 'https://app.example', 'app.example'],
  ['KMI_PROXY_MAX_RPS', '10', '-1'],
  ['KMI_PROXY_MAX_BODY_MB', '1', '0'],
  ['KMI_ROTATE_STRATEGY', 'Round-Robin', 'random'],
  ['KMI_LOCALE', 'RU', 'de'],
  ['KMI_TIMEZONE', 'Europe/Berlin', 'Berlin'],
];

describe('one setting', () => {
  it.each(GOOD_AND_BAD)('%s accepts %j', (variable, good) => {
    expect(() => load({ [variable]: good })).not.toThrow();
  });

  it.each(GOOD_AND_BAD)('%s refuses anything else, naming variable, value and what is accepted', (variable, _good, bad) => {
    const row = Object.values(SETTINGS).find((setting) => setting.variable === variable);
    const error = failure({ [variable]: bad });
    expect([error.code, error.exitCode]).toEqual(['bad_settings', 2]);
    const words = `One setting is not usable:\n  ${variable}=${row?.secret ? '(hidden)' : bad}  accepted: ${row?.accepts}`;
    expect(error.message.slice(0, words.length)).toBe(words);
  });

  it('is the default when the text is empty or blank', () => {
    const { config, sources } = load({ KMI_PROXY_MAX_RPS: '', KMI_LOCALE: '  ' });
    expect([config.proxyMaxRps, config.locale, sources.proxyMaxRps.kind]).toEqual([0, 'en', 'default']);
  });

  it('cannot be changed once loaded', () => {
    const { config, sources } = load({ KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com' });
    for (const value of [config, sources, config.proxyListen, config.upstreamAllowlist])
      expect(Object.isFrozen(value)).toBe(true);
  });
});

describe('errors', () => {
  it('name every problem at once, with variable, value and what is accepted', () => {
    const error = failure(Object.fromEntries(GOOD_AND_BAD.map(([variable, , bad]) => [variable, bad])));
    expect(error.message).toMatch(new RegExp(`^${GOOD_AND_BAD.length} settings are not usable:\n`));
    expect(error.message.split('\n')).toHaveLength(GOOD_AND_BAD.length + 1);
    for (const [variable] of GOOD_AND_BAD) expect(error.message).toContain(`  ${variable}=`);
  });

  it('never hold a secret', () => {
    const error = failure({ KMI_UPSTREAM_PROXY: 'ftp://me:hunter2@proxy', KMI_PROXY_TOKEN: 'sesame', KMI_LOCALE: 'de' });
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toMatch(/hunter2|sesame/);
  });

  it('show a long or unprintable value on one line', () => {
    const error = failure({ KMI_LOCALE: `\u001b[31m\n${'x'.repeat(200)}` });
    const line = error.message.split('\n')[1] ?? '';
    expect(line).toContain(`KMI_LOCALE=?[31m?${'x'.repeat(71)}...  accepted`);
  });

  it('point at the env file when there is one', () => {
    const path = write('.env', 'KMI_LOCALE=de');
    expect(failure({}).hint).toContain(path);
    expect(failure({ KMI_ENV_PATH: path }).hint).toContain(path);
  });
});

describe('the order of sources', () => {
  it('is environment, then a .env found in the working folder, then the default', () => {
    const path = write('.env', 'KMI_LOCALE=ru\nKMI_PLAIN=1\n');
    const { config, sources, envFile } = load({ KMI_PLAIN: '0' });
    expect([config.plain, config.locale, config.proxyMaxRps]).toEqual([false, 'ru', 0]);
    expect([sources.plain, sources.locale, sources.proxyMaxRps]).toEqual([
      { kind: 'environment' },
      { kind: 'file', file: path },
      { kind: 'default' },
    ]);
    expect(envFile).toBe(path);
  });

  it('puts a file named by KMI_ENV_PATH before the environment', () => {
    write('.env', 'KMI_TIMEZONE=UTC');
    const path = write('mine.env', 'KMI_LOCALE=ru\n');
    const { config, sources, envFile } = load({ KMI_ENV_PATH: path, KMI_LOCALE: 'en', KMI_PLAIN: 'yes' });
    expect([config.locale, config.plain, config.timezone]).toEqual(['ru', true, 'local']);
    expect([sources.locale, sources.plain]).toEqual([{ kind: 'file', file: path }, { kind: 'environment' }]);
    expect(envFile).toBe(path);
  });

  it('lets an empty line of the named file fall through to the environment', () => {
    const path = write('mine.env', 'KMI_LOCALE=\n');
    expect(load({ KMI_ENV_PATH: path, KMI_LOCALE: 'ru' }).config.locale).toBe('ru');
  });

  it('is the environment alone without any file', () => {
    expect(load({}).envFile).toBeNull();
    expect(loadConfig({}, join(write('plain-file', ''), 'below')).envFile).toBeNull();
  });
});

describe('an env file that cannot be read', () => {
  it('stops with the reason when KMI_ENV_PATH names it', () => {
    const path = join(folder, 'missing.env');
    const error = failure({ KMI_ENV_PATH: path });
    expect([error.exitCode, error.message]).toEqual([2, `The env file ${path} cannot be read (ENOENT).`]);
    expect(error.hint).toContain('KMI_ENV_PATH');
  });

  it('stops with the reason when it is the .env of the working folder or of the home', () => {
    for (const path of [join(folder, '.env'), join(folder, 'home', '.kmi', '.env')]) {
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(path, path);
      const error = failure({});
      expect(error.message).toBe(`The env file ${path} cannot be read (ELOOP).`);
      expect(error.hint).not.toContain('KMI_ENV_PATH');
      rmSync(path);
    }
  });

  it('is none when a folder has its name, as that of a Python environment', () => {
    mkdirSync(join(folder, '.env'));
    expect(load().envFile).toBeNull();
  });
});

describe('rules between settings', () => {
  it('the upstream must be in the allowlist', () => {
    const error = failure({ KMI_UPSTREAM_ALLOWLIST: 'a.example, b.example' });
    expect(error.message).toContain('KMI_UPSTREAM_BASE_URL=https://api.kimi.com/coding/v1');
    expect(error.message).toContain('accepted: a host in KMI_UPSTREAM_ALLOWLIST (a.example, b.example)');
    expect(() => load({ KMI_UPSTREAM_ALLOWLIST: '*.kimi.com' })).not.toThrow();
  });

  it('certificate and private key belong together', () => {
    expect(failure({ KMI_PROXY_TLS_CERT: '/c.pem' }).message).toContain(
      'KMI_PROXY_TLS_KEY=  accepted: a path, because KMI_PROXY_TLS_CERT',
    );
    expect(failure({ KMI_PROXY_TLS_KEY: '/k.pem' }).message).toContain(
      'KMI_PROXY_TLS_CERT=  accepted: a path, because KMI_PROXY_TLS_KEY',
    );
    expect(load({ KMI_PROXY_TLS_CERT: '/c.pem', KMI_PROXY_TLS_KEY: '/k.pem' }).config.proxyTlsKey).toBe('/k.pem');
  });
});

describe('NO_COLOR', () => {
  it('turns colour off with any text, even against KMI_NO_COLOR=0', () => {
    expect(load({ NO_COLOR: '0', KMI_NO_COLOR: '0' }).config.noColor).toBe(true);
  });
  it('means nothing when empty', () => {
    expect(load({ NO_COLOR: '' }).config.noColor).toBe(false);
  });
});
