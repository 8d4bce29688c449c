import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse as parseDotenv } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeConfig, renderEnvExample, renderSettingsTable } from '../../src/config/document.ts';
import { type Environment, loadConfig } from '../../src/config/load.ts';
import { SETTINGS } from '../../src/config/settings.ts';

const variables = Object.values(SETTINGS).map(({ variable }) => variable);

describe('.env.example', () => {
  it('names every setting once, in the order of the table, with its help above', () => {
    const lines = renderEnvExample().split('\n');
    expect(lines.flatMap((line) => /^#(KMI_\w+)=/.exec(line)?.[1] ?? [])).toEqual(variables);
    for (const { variable, help, defaultText } of Object.values(SETTINGS)) {
      expect(lines[lines.indexOf(`#${variable}=${defaultText}`) - 1]).toBe(`# ${help}`);
    }
  });

  it('sets nothing as it stands, and the defaults when every line is taken in', () => {
    expect(parseDotenv(renderEnvExample())).toEqual({});
    const all = parseDotenv(renderEnvExample().replace(/^#(?=KMI_)/gm, ''));
    expect(Object.keys(all)).toEqual(variables);
    expect(loadConfig(all, '/nowhere').config).toEqual(loadConfig({}, '/nowhere').config);
  });
});

describe('the tables of docs/settings.md', () => {
  it('has a row of three cells for every setting, in the order of the table', () => {
    const rows = renderSettingsTable()
      .split('\n')
      .filter((line) => line.startsWith('| `KMI_'));
    expect(rows.map((row) => /`(\w+)`/.exec(row)?.[1])).toEqual(variables);
    for (const row of rows) expect(row.split(/(?<!\\)\|/)).toHaveLength(5);
    expect(rows).toContain('| `KMI_STATE_DIR` | `~/.kmi` | folder for state, logs, trace and pid |');
  });

  it('gives every group of settings a heading and a table', () => {
    const table = renderSettingsTable();
    expect(table.match(/^### .+$/gm)).toHaveLength(10);
    expect(table.match(/^\| --- \| --- \| --- \|$/gm)).toHaveLength(10);
    expect(table).not.toMatch(/\n$/);
  });
});

describe('kmi config', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kmi-document-'));
    vi.stubEnv('HOME', join(folder, 'home'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  function entries(environment: Environment = {}) {
    return new Map(describeConfig(loadConfig(environment, folder)).map((entry) => [entry.variable, entry]));
  }

  it('lists every setting in the order of the table', () => {
    expect([...entries().keys()]).toEqual(variables);
  });

  it('shows values as they could stand in .env', () => {
    const shown = entries({
      KMI_PROXY_LISTEN: '[::1]:80',
      KMI_UPSTREAM_ALLOWLIST: '*.kimi.com, api.kimi.com',
      KMI_DRY_RUN: 'off',
      KMI_PLAIN: 'yes',
      KMI_PROXY_MAX_RPS: '07',
    });
    const value = (variable: string) => shown.get(variable)?.value;
    expect(value('KMI_PROXY_LISTEN')).toBe('[::1]:80');
    expect(value('KMI_UPSTREAM_ALLOWLIST')).toBe('*.kimi.com,api.kimi.com');
    expect([value('KMI_DRY_RUN'), value('KMI_PLAIN'), value('KMI_PROXY_MAX_RPS')]).toEqual(['0', '1', '7']);
    expect(value('KMI_AUTHS_DIR')).toBe(join(folder, 'home', '.kmi', '_auths'));
    expect(value('KMI_PROXY_TLS_CERT')).toBe('');
    expect(entries().get('KMI_PROXY_LISTEN')?.value).toBe('127.0.0.1:54123');
  });

  it('says where each value came from', () => {
    writeFileSync(join(folder, '.env'), 'KMI_LOCALE=ru');
    const shown = entries({ KMI_PLAIN: '1', NO_COLOR: '1' });
    expect(shown.get('KMI_LOCALE')?.source).toBe(`.env (${join(folder, '.env')})`);
    expect(shown.get('KMI_PLAIN')?.source).toBe('environment');
    expect(shown.get('KMI_STATE_DIR')?.source).toBe('default');
    expect(shown.get('KMI_NO_COLOR')).toMatchObject({ value: '1', source: 'environment (NO_COLOR)' });
    expect(entries().get('KMI_NO_COLOR')).toMatchObject({ value: '0', source: 'default' });
  });

  it('masks secrets', () => {
    const shown = entries({ KMI_PROXY_TOKEN: 'sesame', KMI_UPSTREAM_PROXY: 'socks5://me:hunter2@127.0.0.1:1080/x?y=z' });
    expect(shown.get('KMI_PROXY_TOKEN')?.value).toBe('(set)');
    expect(shown.get('KMI_UPSTREAM_PROXY')?.value).toBe('socks5://127.0.0.1:1080');
    expect(JSON.stringify([...shown.values()])).not.toMatch(/sesame|hunter2/);
    expect(entries({ KMI_UPSTREAM_PROXY: 'off' }).get('KMI_UPSTREAM_PROXY')?.value).toBe('none');
    expect([entries().get('KMI_PROXY_TOKEN')?.value, entries().get('KMI_UPSTREAM_PROXY')?.value]).toEqual([
      '(not set)',
      '(not set)',
    ]);
  });

  it('shows no control characters', () => {
    expect(entries({ KMI_AUDIT_ACTOR: 'me\u001b[31m\nyou' }).get('KMI_AUDIT_ACTOR')?.value).toBe('me?[31m?you');
  });
});
