import { answersOf, type Finding, shorten } from './finding.ts';

/** A path the program uses, as it is on disk. */
export type FileFact = {
  readonly path: string;
  readonly kind: 'file' | 'folder';
  /** Permission bits; null where there are none to speak of (Windows). */
  readonly mode: number | null;
  /** It belongs to the user who asks. */
  readonly isOwn: boolean;
  readonly bytes: number;
  /** Epoch ms. */
  readonly changedAt: number;
};

export type FilesFacts = {
  readonly stateDir: string;
  /** Whether the state folder, or the one it would be made in, takes new files; else the system's reason. */
  readonly stateDirProblem: string | null;
  readonly state: FileFact | null;
  /** Broken state files that were moved aside. */
  readonly corrupt: readonly string[];
  readonly trace: FileFact | null;
  readonly log: FileFact | null;
  /** Everything that should be for this user alone. */
  readonly privatePaths: readonly FileFact[];
  readonly enforceFilePerms: boolean;
};

export function checkFiles(facts: FilesFacts): readonly Finding[] {
  return [
    checkState(facts),
    ...checkCorrupt(facts),
    checkWritten('trace_file', 'trace', facts.trace, 'requests are traced once the proxy has served one.'),
    checkWritten('log_file', 'log', facts.log, 'it begins with the first start of the proxy.'),
    checkPermissions(facts),
  ];
}

function checkState({ stateDir, stateDirProblem, state }: FilesFacts): Finding {
  const { ok, info, fail } = answersOf('Files', 'state_file');
  if (stateDirProblem !== null) {
    return fail(
      `The state folder ${stateDir} cannot be written (${stateDirProblem}): nothing would be remembered.`,
      'Make it writable, or name another with KMI_STATE_DIR.',
    );
  }
  return state === null
    ? info(`No state in ${stateDir} yet; the folder can be written.`)
    : ok(`The state ${state.path} can be read and written.`);
}

function checkCorrupt({ corrupt }: FilesFacts): readonly Finding[] {
  if (corrupt.length === 0) return [];
  const { warn } = answersOf('Files', 'state_corrupt');
  const text = 'A state file was not JSON and was moved aside; a fresh state began:';
  return [warn(text, 'Take from it what you need, then remove it.', shorten(corrupt))];
}

function checkWritten(check: string, name: string, file: FileFact | null, when: string): Finding {
  const { ok, info, warn } = answersOf('Files', check);
  if (file === null) return info(`No ${name} yet: ${when}`);
  if (!file.isOwn) return warn(`The ${name} ${file.path} belongs to another user.`, 'Change its owner, or remove it.');
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
