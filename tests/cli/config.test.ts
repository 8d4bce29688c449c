import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { SETTINGS } from '../../src/config/settings.ts';
import { temporaryHome } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const Setting = z.strictObject({ group: z.string(), variable: z.string(), value: z.string(), source: z.string() });
const NotUsed = z.strictObject({ file: z.string().nullable(), name: z.string(), why: z.string() });
const Config = z.strictObject({ env_file: z.string().nullable(), settings: z.array(Setting), not_used: z.array(NotUsed) });

test('--json has every setting with its value and where it came from', async () => {
  const home = await temporaryHome();
  const envFile = join(home.root, '.env');
  await writeFile(envFile, 'KMI_LOCALE=ru\nKMI_DRY_RUN=1\n');
  const { stdout, code, stderr } = await runKmi(['config', '--json'], {
    env: { ...home.env, KMI_DRY_RUN: '0', KMI_PROXY_TOKEN: 'top-secret' },
    cwd: home.root,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { env_file, settings } = Config.parse(JSON.parse(stdout));
  expect(env_file).toBe(envFile);
  expect(settings.map(({ variable }) => variable)).toEqual(Object.values(SETTINGS).map(({ variable }) => variable));
  const of = (name: string) => settings.find(({ variable }) => variable === name);
  expect(of('KMI_DRY_RUN')).toMatchObject({ value: '0', source: 'environment' });
  expect(of('KMI_LOCALE')).toMatchObject({ value: 'ru', source: `.env (${envFile})` });
  expect(of('KMI_PROXY_BASE_PATH')).toMatchObject({ value: '/kmi-rotor/v1', source: 'default' });
  expect(of('KMI_PROXY_TOKEN')).toMatchObject({ value: '(set)' });
  expect(stdout).not.toContain('top-secret');
});

test('the view names the env file and what differs from the defaults; --all shows the rest', async () => {
  const home = await temporaryHome();
  await writeFile(join(home.root, '.env'), 'KMI_LOCALE=ru\n');
  const { stdout, code } = await runKmi(['config'], { env: home.env, cwd: home.root });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Env file: \S+\.env\n/);
  expect(stdout).toMatch(/KMI_LOCALE +ru {2}from \.env$/m);
  expect(stdout).not.toContain('KMI_DRY_RUN');
  const all = await runKmi(['config', '--all'], { env: home.env, cwd: home.root });
  expect(all.stdout).toMatch(/KMI_DRY_RUN +1$/m);
});

test('a bad value names the variable, the value and what is accepted, with exit code 2', async () => {
  const { code, stdout, stderr } = await runKmi(['config'], { env: { KMI_LOCALE: 'fr', KMI_PROXY_RETRY_MAX: 'many' } });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/KMI_PROXY_RETRY_MAX=many {2}accepted: a whole number[\s\S]*KMI_LOCALE=fr {2}accepted: one of en, ru/);
});
