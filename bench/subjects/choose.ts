import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isInstalled, KMI, KMI_LOGINS, type Program, SUBJECT_KINDS } from './start.ts';

/**
 * What `--subjects` names, separated by commas: programs of `SUBJECT_KINDS`, and folders of other checkouts of this
 * project, built; `kmi-logins` is this kmi with logins for keys. Without the option it is every program that is installed. A name that is neither ends the process.
 */
export function choosePrograms(option: string | undefined): Program[] {
  const programs: Program[] = [];
  for (const name of option?.split(',') ?? SUBJECT_KINDS) {
    const kind = SUBJECT_KINDS.find((known) => known === name);
    if (name === KMI_LOGINS.name) programs.push(KMI_LOGINS);
    else if (kind === undefined) programs.push(checkoutAt(name, programs));
    else if (kind !== 'nginx' || isInstalled('nginx')) programs.push({ ...KMI, name: kind, kind });
  }
  return programs;
}

/** The first kmi among the programs, and the kmis of other builds that it is compared with. */
export function comparisonOf(
  programs: readonly Program[],
): { readonly newer: Program; readonly older: readonly Program[] } | null {
  const [newer, ...older] = programs.filter(({ kind }) => kind === 'kmi');
  return newer === undefined || older.length === 0 ? null : { newer, older };
}

function checkoutAt(path: string, others: readonly Program[]): Program {
  const folder = resolve(path);
  const cli = join(folder, 'dist', 'cli.js');
  if (!existsSync(cli)) {
    console.error(`--subjects ${path}: ${cli} does not exist. Build that checkout, or name ${SUBJECT_KINDS.join(', ')}.`);
    process.exit(2);
  }
  const folderName = basename(folder);
  // Its commit tells it apart from another folder of that name.
  const isTaken = [KMI, ...others].some(({ name }) => name === folderName);
  return { name: isTaken ? `${folderName}@${commitOf(folder)}` : folderName, kind: 'kmi', cli };
}

function commitOf(folder: string): string {
  const { stdout } = spawnSync('git', ['-C', folder, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
  return stdout?.trim() || folder;
}
