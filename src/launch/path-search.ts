import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

export type PathOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly platform?: NodeJS.Platform;
};

/** The programs of that name on the PATH, in its order. On Windows with the endings programs have there. */
export async function* findOnPath(
  name: string,
  { environment, platform = process.platform }: PathOptions,
): AsyncGenerator<string> {
  const isWindows = platform === 'win32';
  const { join, delimiter } = isWindows ? win32 : posix;
  const names = isWindows ? endingsOf(environment).map((ending) => name + ending) : [name];
  for (const folder of (environment.PATH ?? environment.Path ?? '').split(delimiter)) {
    if (folder === '') continue;
    for (const each of names) {
      const path = join(folder, each);
      if (await isProgram(path, isWindows)) yield path;
    }
  }
}

export async function isOnPath(name: string, options: PathOptions): Promise<boolean> {
  for await (const _ of findOnPath(name, options)) return true;
  return false;
}

function endingsOf(environment: PathOptions['environment']): string[] {
  return (environment.PATHEXT ?? '.COM;.EXE;.BAT;.CMD')
    .toLowerCase()
    .split(';')
    .filter((ending) => ending !== '');
}

async function isProgram(path: string, isWindows: boolean): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, isWindows ? constants.F_OK : constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
