import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { cleanUp } from '../support/cleanup.ts';

const folder = mkdtempSync(join(tmpdir(), 'kmi-encodings-'));
cleanUp(async () => rmSync(folder, { recursive: true, force: true }));

const TEXT = 'KMI_DRY_RUN=0\r\nKMI_AUDIT_ACTOR=Жанна\r\n';

function load(bytes: string | Uint8Array, environment: Record<string, string> = {}) {
  const path = join(folder, '.env');
  writeFileSync(path, bytes);
  return loadConfig(environment, folder);
}

const UTF16_BE = Buffer.from(`\uFEFF${TEXT}`, 'utf16le').swap16();

test.each([
  ['UTF-8 with a mark', Buffer.from(`\uFEFF${TEXT}`)],
  ['UTF-16LE with a mark', Buffer.from(`\uFEFF${TEXT}`, 'utf16le')],
  ['UTF-16LE without a mark', Buffer.from(TEXT, 'utf16le')],
  ['UTF-16BE with a mark', UTF16_BE],
  ['UTF-16BE without a mark', UTF16_BE.subarray(2)],
])('a .env in %s is read', (_form, bytes) => {
  expect(load(bytes).config).toMatchObject({ dryRun: false, auditActor: 'Жанна' });
});

test('a file that KMI_ENV_PATH names is read in the same encodings', () => {
  const path = join(folder, 'named.env');
  writeFileSync(path, UTF16_BE);
  expect(loadConfig({ KMI_ENV_PATH: path }, folder).config.auditActor).toBe('Жанна');
});

test('of an older code page, what is plain ASCII is certain and the rest is refused by name', () => {
  expect(load(Buffer.from('# f\xfcr den Proxy\nKMI_DRY_RUN=0\n', 'latin1')).config.dryRun).toBe(false);
  expect(() => load(Buffer.from('KMI_AUDIT_ACTOR=J\xfcrgen\n', 'latin1'))).toThrow(/\.env is not UTF-8 or UTF-16 text/);
});

test("a file that cannot be read as text is refused when it speaks of kmi, and another program's is let be", () => {
  const utf32 = Buffer.from([...'KMI_DRY_RUN=0'].flatMap((letter) => [letter.charCodeAt(0), 0, 0, 0]));
  expect(() => load(utf32)).toThrow(/\.env is not UTF-8 or UTF-16 text/);
  const mixed = Buffer.concat([Buffer.from('KMI_LOCALE=ru\n'), Buffer.from('KMI_DRY_RUN=0\r\n', 'utf16le')]);
  expect(() => load(mixed)).toThrow(/\.env is not UTF-8 or UTF-16 text/);
  expect(load(Buffer.from('NAME=J\xfcrgen\n', 'latin1')).config.dryRun).toBe(true);
  const path = join(folder, 'zeros.env');
  writeFileSync(path, Buffer.alloc(32));
  expect(() => loadConfig({ KMI_ENV_PATH: path }, folder)).toThrow(/zeros\.env is not UTF-8 or UTF-16 text/);
});

test('a client token in UTF-16 is the same token', () => {
  const stateDir = mkdtempSync(join(folder, 'state-'));
  writeFileSync(join(stateDir, 'proxy.token'), Buffer.from('\uFEFFa-long-random-token\r\n', 'utf16le'), { mode: 0o600 });
  expect(load('', { KMI_STATE_DIR: stateDir }).config.proxyToken).toBe('a-long-random-token');
});
