import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadRegistry, type Registry } from '../../src/keys/registry.ts';
import { cleanUp } from '../support/cleanup.ts';

export const UPSTREAM = 'https://api.kimi.com/coding/v1';

/** A folder of its own, removed when the test file is done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-keys-'));
  cleanUp(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function put(folder: string, name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

export function load(authsDir: string, upstreamAllowlist: readonly string[] = []): Promise<Registry> {
  return loadRegistry({ authsDir, upstreamBaseUrl: UPSTREAM, upstreamAllowlist });
}

/** The registry of a fresh folder with these files. */
export async function loadFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  upstreamAllowlist: readonly string[] = [],
): Promise<Registry> {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) await put(folder, name, content);
  return load(folder, upstreamAllowlist);
}
