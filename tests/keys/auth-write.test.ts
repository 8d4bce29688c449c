import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { addAuthFile, setAsideAuthFile, setInAuthFile } from '../../src/keys/auth-write.ts';
import { loadRegistry } from '../../src/keys/registry.ts';
import { cleanUp } from '../support/cleanup.ts';

const NEW = { label: 'work', value: 'sk-kimi-work-0123456789', baseUrl: null, email: null, priority: 0, weight: 100 };

let folder: string;
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
const registry = () => loadRegistry({ authsDir: folder, upstreamBaseUrl: 'https://up.test/v1', upstreamAllowlist: [] });

beforeEach(async () => {
  const made = await mkdtemp(join(tmpdir(), 'kmi-auth-write-'));
  cleanUp(() => rm(made, { recursive: true, force: true }));
  folder = join(made, 'auths');
});

describe('a new auth file', () => {
  it('is read back as the key it was made of, by its owner alone', async () => {
    const full = { ...NEW, label: 'alice@example.com', baseUrl: 'http://127.0.0.1:1/v1', email: 'a@b.test', priority: -3 };
    const path = await addAuthFile(folder, full);
    expect(await modeOf(path)).toBe(0o600);
    expect(await modeOf(folder)).toBe(0o700);
    const { hash, disabled, source, ...key } = (await registry()).byLabel.get('alice@example.com') ?? {
      hash: '',
      disabled: true,
      source: '',
    };
    expect(key).toEqual(full);
  });

  it('never takes the name of another file', async () => {
    const first = await addAuthFile(folder, NEW);
    const second = await addAuthFile(folder, { ...NEW, value: 'sk-kimi-other-0123456789' });
    expect([first, second]).toEqual([join(folder, 'work.env'), join(folder, 'work-2.env')]);
    expect(await readFile(first, 'utf8')).toContain('sk-kimi-work');
  });

  it('leaves nothing behind when it cannot be written', async () => {
    await addAuthFile(folder, NEW);
    if (process.getuid?.() === 0) return;
    await chmod(folder, 0o500);
    await expect(addAuthFile(folder, { ...NEW, label: 'x' })).rejects.toThrow();
    await chmod(folder, 0o700);
    expect(await readdir(folder)).toEqual(['work.env']);
  });
});

describe('an edited auth file', () => {
  it('keeps every other byte and ends up private', async () => {
    const text = '# mine\r\nexport KMI_API_KEY = "sk-kimi-c-0123456789"  # note\r\n\r\nKMI_KEY_DISABLED=0 # off?';
    const path = await addAuthFile(folder, NEW);
    await writeFile(path, text);
    await chmod(path, 0o644);
    expect(await setInAuthFile(path, 'KMI_KEY_DISABLED', '1')).toBe('written');
    expect(await readFile(path, 'utf8')).toBe(text.replace('DISABLED=0', 'DISABLED=1'));
    expect(await modeOf(path)).toBe(0o600);
    expect(await setInAuthFile(path, 'KMI_KEY_DISABLED', '1')).toBe('unchanged');
    expect(await setInAuthFile(path, 'KMI_KEY_DISABLED', '0')).toBe('written');
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('behind a symbolic link changes where it is', async () => {
    const target = await addAuthFile(folder, NEW);
    const link = join(folder, '..', 'link.env');
    await symlink(target, link);
    expect(await setInAuthFile(link, 'KMI_KEY_LABEL', 'main')).toBe('written');
    expect(await readFile(target, 'utf8')).toContain('KMI_KEY_LABEL=main\n');
    expect((await readFile(link, 'utf8')).length).toBeGreaterThan(0);
  });

  it.each([
    ['a.toml', '[providers.x]\napi_key = "sk-kimi-c-0123456789"\n'],
    ['a.json', '{"providers": {"x": {"api_key": "sk-kimi-c-0123456789"}}}'],
    ['a.bak', '{"providers": {"x": {"api_key": "sk-kimi-c-0123456789"}}}'],
  ])('of another format (%s) is left alone', async (name, text) => {
    await addAuthFile(folder, NEW);
    const path = join(folder, name);
    await writeFile(path, text);
    expect(await setInAuthFile(path, 'KMI_KEY_LABEL', 'main')).toBe('not_env');
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});

it('a file set aside is no auth file any more, twice in one second too', async () => {
  const now = Date.UTC(2026, 10, 24, 10, 15);
  const path = await addAuthFile(folder, NEW);
  expect(await setAsideAuthFile(path, now)).toBe(join(folder, 'work.env.removed-20261124T101500Z'));
  await addAuthFile(folder, NEW);
  expect(await setAsideAuthFile(path, now)).toBe(join(folder, 'work.env.removed-20261124T101500Z-2'));
  expect((await registry()).keys).toEqual([]);
  expect((await registry()).skipped).toEqual([]);
});
