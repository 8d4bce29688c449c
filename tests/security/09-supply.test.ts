import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const readJson = async (path: string) => JSON.parse(await readFile(join(ROOT, path), 'utf8'));

type Locked = {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly bin?: unknown;
};

async function lockedInProduction(): Promise<[string, Locked][]> {
  const { packages } = (await readJson('package-lock.json')) as { packages: Record<string, Locked> };
  return Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
}

describe('dependencies', () => {
  it('are the few that are named, each at one exact version', async () => {
    const { dependencies } = (await readJson('package.json')) as { dependencies: Record<string, string> };
    const named = [
      'commander',
      'dotenv',
      'fastify',
      'get-east-asian-width',
      'light-my-request',
      'p-limit',
      'pino',
      'smol-toml',
      'undici',
    ];
    expect(Object.keys(dependencies).filter((name) => !named.includes(name))).toEqual([]);
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('are pinned by the lockfile with their hashes, come from the registry, and run nothing when installed', async () => {
    const locked = await lockedInProduction();
    expect(locked.length).toBeGreaterThan(10);
    for (const [path, { version, integrity, resolved, hasInstallScript }] of locked) {
      expect([path, version]).toEqual([path, expect.stringMatching(/^\d+\.\d+\.\d+/)]);
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-/)]);
      expect([path, resolved ?? 'https://']).toEqual([path, expect.stringMatching(/^https:\/\//)]);
      expect([path, hasInstallScript]).toEqual([path, undefined]);
    }
  });

  it('of this package run nothing either', async () => {
    const { scripts } = (await readJson('package.json')) as { scripts: Record<string, string> };
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare|publish)$|^(pre|post)pack$/.test(name))).toEqual(
      [],
    );
  });

  it('are loaded under their own names only: what the product imports is what package.json names', async () => {
    const { dependencies } = (await readJson('package.json')) as { dependencies: Record<string, string> };
    const files = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'));
    const imported = new Set<string>();
    for (const file of files) {
      const text = await readFile(join(ROOT, 'src', file), 'utf8');
      const imports = text.matchAll(/^(?:import .*|export .*|\} )from '([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gm);
      for (const [, stated, loaded] of imports) imported.add((stated ?? loaded) as string);
    }
    const packages = [...imported].filter((name) => !name.startsWith('node:')).map((name) => name.split('/', 1)[0] as string);
    expect([...new Set(packages)].filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
  });
});

it('the package holds the program and its papers, and nothing else', () => {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(text) as [{ files: { path: string; mode: number }[] }];
  const papers = [
    'dist/package.json',
    'dist/LICENSES.txt',
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    '.env.example',
    '_auths/README.md',
    'SECURITY.md',
    'docs/commands.md',
    'docs/failover.md',
    'docs/remote.md',
    'docs/settings.md',
    'docs/strategies.md',
    'docs/status.svg',
    'docs/trace.svg',
  ];
  const paths = files.map(({ path }) => path);
  const code = /^dist\/(?:[\w-]+\.js|code-cache\/[\w.-]+\/[\w-]+\.js\.bin)$/;
  expect(paths.filter((path) => !papers.includes(path) && !code.test(path))).toEqual([]);
  expect(paths).toContain('dist/cli.js');
  expect(
    paths.filter(
      (path) =>
        /test|spec|bench|\.map$|\.tsx?$|secret|\.pem$|\.key$/i.test(path) && !/^dist\/(?:keys-test|key-test-words)-/.test(path),
    ),
  ).toEqual([]);
});

it('no file of the repository holds anything shaped like a real key', async () => {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '');
  const found: string[] = [];
  for (const path of listed) {
    const text = await readFile(join(ROOT, path), 'latin1').catch(() => '');
    // Made-up keys of tests are words and runs of digits; a real one is long and has neither.
    for (const [key] of text.matchAll(/sk-kimi-[A-Za-z0-9]{40,}/g))
      if (!/0123456789|(.)\1{5}|test|mark/i.test(key)) found.push(`${path}: ${key.length} characters`);
  }
  expect(found).toEqual([]);
});
