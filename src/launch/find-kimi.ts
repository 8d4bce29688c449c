import { open, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { KimiClient } from '../core/clients/kimi-model.ts';
import { findOnPath, type PathOptions } from './path-search.ts';

export type FoundKimi = {
  /** As found on the PATH, links not followed. */
  readonly path: string;
  /** Null: a program that does not tell which of the two it is, such as a native binary. */
  readonly client: KimiClient | null;
};

/**
 * The first `kimi` on the PATH that is not this program: a link to `kimi_robin`, and a script that calls it, are passed
 * over. Nothing is run: the path and the first bytes tell kimi-cli and Kimi Code apart in well under a millisecond, where
 * `kimi --version` takes half a second and more.
 */
export async function findKimi(options: PathOptions): Promise<FoundKimi | null> {
  for await (const path of findOnPath('kimi', options)) {
    const [target, head] = await Promise.all([realpath(path), readHead(path)]);
    if (!(await isOurs(target, head))) return { path, client: tellApart(target, head) };
  }
  return null;
}

const HEAD_BYTES = 4096;

/** The first bytes as text; empty for a program that may be run but not read. */
async function readHead(path: string): Promise<string> {
  const file = await open(path).catch(() => null);
  if (file === null) return '';
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A line of a script that starts us, after assignments and `exec`. */
const CALLS_US = /^\s*@?(?:\w+=\S*\s+)*(?:(?:exec|command|call)\s+)*["']?(?:[^\s"'#]*[\\/])?(?:kimi_robin\b|kmi["']?\s+kimi\b)/m;

/** This installation, another one (our bins lie in a package of our name), or a script that starts one. */
async function isOurs(target: string, head: string): Promise<boolean> {
  if (basename(target).startsWith('kimi_robin')) return true;
  if (/^(?:robin|cli)\.js$/.test(basename(target))) return (await packageNameOf(target)) === 'kmi';
  return CALLS_US.test(head) || /^[^#\n]*[\\/]dist[\\/]robin\.js\b/m.test(head);
}

/** Name of the package whose `dist` folder a file lies in; null when there is none. */
async function packageNameOf(target: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(dirname(target), '..', 'package.json'), 'utf8')).name;
  } catch {
    return null;
  }
}

/** The launcher of kimi-cli imports `kimi_cli`; Kimi Code lies in a folder of its package's name or in `~/.kimi-code`. */
function tellApart(target: string, head: string): KimiClient | null {
  if (head.includes('kimi_cli')) return 'kimi-cli';
  if (target.includes('kimi-code') || head.includes('@moonshot-ai/kimi-code')) return 'kimi-code';
  return /[\\/]kimi-cli[\\/]/.test(target) ? 'kimi-cli' : null;
}
