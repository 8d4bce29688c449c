import { giveBack, type Obstacle } from '../files/access.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

/** A path the program uses, as it is on disk. */
export type FileFact = {
  readonly path: string;
  readonly kind: 'file' | 'folder';
  /** Permission bits; null where there are none to speak of (Windows). */
  readonly mode: number | null;
  /** It belongs to the user who asks. */
  readonly isOwn: boolean;
  readonly owner: string;
  readonly bytes: number;
  /** Epoch ms. */
  readonly changedAt: number;
};

export type FilesFacts = {
  readonly stateDir: string;
  /** What keeps us from writing to the state folder, or to the one it would be made in; null when nothing does. */
  readonly stateDirProblem: Obstacle | null;
  /** The same for what lies in it and for the auth files. */
  readonly obstacles: readonly Obstacle[];
  readonly state: FileFact | null;
  /** Broken state files that were moved aside. */
  readonly corrupt: readonly string[];
  /** `quota.json` when it cannot be read as what it should be; null when there is nothing to say. */
  readonly damagedQuota: string | null;
  readonly trace: FileFact | null;
  readonly log: FileFact | null;
  /** Everything that should be for this user alone. */
  readonly privatePaths: readonly FileFact[];
  readonly enforceFilePerms: boolean;
};

export function checkFiles(facts: FilesFacts): readonly Finding[] {
  return [
    checkState(facts),
    ...checkAccess(facts),
    ...checkCorrupt(facts),
    ...checkQuotaFile(facts),
    checkWritten('trace_file', 'trace', facts.trace, 'requests are traced once the proxy has served one.'),
    checkWritten('log_file', 'log', facts.log, 'it begins with the first start of the proxy.'),
    checkPermissions(facts),
  ];
}

function checkState({ stateDir, stateDirProblem, state }: FilesFacts): Finding {
  const { ok, info, fail } = answersOf('Files', 'state_file');
  if (stateDirProblem !== null) {
    return fail(`The state folder cannot be used, so nothing would be remembered. ${stateDirProblem.text}`, stateDirProblem.fix);
  }
  return state === null
    ? info(`No state in ${stateDir} yet; the folder can be written.`)
    : ok(`The state ${state.path} can be read and written.`);
}

function checkAccess({ obstacles }: FilesFacts): readonly Finding[] {
  const { fail } = answersOf('Files', 'access');
  return obstacles.map(({ text, fix }) => fail(text, fix));
}

function checkCorrupt({ corrupt }: FilesFacts): readonly Finding[] {
  if (corrupt.length === 0) return [];
  const { warn } = answersOf('Files', 'state_corrupt');
  const text = 'A state file was not JSON and was moved aside; a fresh state began:';
  return [warn(text, 'Take from it what you need, then remove it.', shorten(corrupt))];
}

function checkQuotaFile({ damagedQuota }: FilesFacts): readonly Finding[] {
  if (damagedQuota === null) return [];
  const { warn } = answersOf('Files', 'quota_file');
  const text = `${damagedQuota} is damaged, so \`kmi status\` does not show what is left of each key.`;
  return [warn(text, '`kmi health` asks the upstream and rewrites the file.')];
}

function checkWritten(check: string, name: string, file: FileFact | null, when: string): Finding {
  const { ok, info, warn } = answersOf('Files', check);
  if (file === null) return info(`No ${name} yet: ${when}`);
  if (!file.isOwn) return warn(`The ${name} ${file.path} belongs to ${file.owner}.`, giveBack(file.path));
  return ok(`The ${name} ${file.path} (${sizeText(file.bytes)}).`);
}

function checkPermissions({ privatePaths, enforceFilePerms }: FilesFacts): Finding {
  const { ok, info, warn } = answersOf('Files', 'permissions');
  if (privatePaths.every(({ mode }) => mode === null)) return info('Permissions are left to the system.');
  const open = privatePaths.filter(isOpenToOthers);
  if (open.length === 0) return ok('Keys, state and logs are readable by you alone.');
  const details = shorten(open.map(({ path, mode }) => `${path} (${((mode ?? 0) & 0o777).toString(8)})`));
  if (!enforceFilePerms) {
    return info('Other users can reach these, and KMI_ENFORCE_FILE_PERMS=0 leaves it so:', null, details);
  }
  const fix = open.some(({ isOwn }) => !isOwn)
    ? '`kmi doctor --fix` closes your own; those of other users only they can close.'
    : '`kmi doctor --fix` closes them (600, folders 700).';
  return warn('Other users of this machine can reach:', fix, details);
}

export function isOpenToOthers({ mode }: FileFact): boolean {
  return mode !== null && (mode & 0o077) !== 0;
}

function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${Math.round(kib)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}
