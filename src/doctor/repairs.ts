import type { FileFact } from './checks-files.ts';
import { isOpenToOthers } from './checks-files.ts';
import type { KeyFact } from './checks-keys.ts';
import type { ListenerFact } from './checks-proxy.ts';

/** Something that can be put right without losing anything and without asking. */
export type Repair =
  | { readonly kind: 'close_permissions'; readonly path: string }
  | { readonly kind: 'remove_stale_pid'; readonly pid: number }
  | { readonly kind: 'clear_expired'; readonly label: string };

export type RepairFacts = {
  readonly privatePaths: readonly FileFact[];
  readonly enforceFilePerms: boolean;
  readonly listener: ListenerFact;
  readonly keys: readonly KeyFact[];
};

/** What `--fix` may do. */
export function pickRepairs({ privatePaths, enforceFilePerms, listener, keys }: RepairFacts): readonly Repair[] {
  const open = enforceFilePerms ? privatePaths.filter((file) => file.isOwn && isOpenToOthers(file)) : [];
  return [
    ...open.map(({ path }): Repair => ({ kind: 'close_permissions', path })),
    ...(listener.is === 'stale' ? [{ kind: 'remove_stale_pid', pid: listener.pid } as const] : []),
    ...keys.filter(({ hasExpired }) => hasExpired).map(({ label }): Repair => ({ kind: 'clear_expired', label })),
  ];
}

/** What a repair did, in a sentence. */
export function describeRepair(repair: Repair): string {
  switch (repair.kind) {
    case 'close_permissions':
      return `Closed ${repair.path} to other users.`;
    case 'remove_stale_pid':
      return `Removed proxy.pid, which named the process ${repair.pid} that is gone.`;
    case 'clear_expired':
      return `Removed the expired block or cooldown of ${repair.label}.`;
  }
}
