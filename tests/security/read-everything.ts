import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';

export type WrittenFile = { readonly path: string; readonly text: string };

/** Every file below a folder, as latin1 so that no byte is lost. A lock may go while its folder is looked into; then once more. */
export async function readEverything(folder: string): Promise<readonly WrittenFile[]> {
  const entries = await eventually(() => readdir(folder, { recursive: true, withFileTypes: true }));
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map(async (path) => ({ path, text: await readFile(path, 'latin1').catch(goneMeanwhile) })));
}

/** A temporary file that has become the real one by now, which is read as well. */
function goneMeanwhile(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}
