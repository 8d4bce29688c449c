import type { Config } from './config/settings.ts';
import { explainDenied, obstacleTo } from './files/access.ts';
import { hardenAuths } from './keys/harden.ts';

type Warn = ((message: string) => void) | undefined;

const SHOWN_PATHS = 3;

/** Keys are for one user only. What cannot be closed is said loudly, each time. */
export async function closeToOthers({ authsDir, enforceFilePerms }: Config, warn: Warn): Promise<void> {
  const open = await hardenAuths(authsDir, { enforce: enforceFilePerms });
  if (open.length === 0) return;
  const more = open.length > SHOWN_PATHS ? ` and ${open.length - SHOWN_PATHS} more` : '';
  const paths = open.slice(0, SHOWN_PATHS).join(', ');
  warn?.(`other users of this machine can reach your keys: ${paths}${more}. Make files 600 and folders 700 (\`kmi doctor\`).`);
}

/** Says why keys are missing when the system keeps them from us; "there are no keys" would be the wrong thing to hear. */
export function sayUnreadableKeys(
  skipped: readonly { readonly file: string; readonly reason: string }[],
  { authsDir }: Config,
  warn: Warn,
): void {
  const texts = new Set<string>();
  for (const { file } of skipped.filter(({ reason }) => reason === 'unreadable').slice(0, SHOWN_PATHS)) {
    const found = obstacleTo(file, [authsDir], 'read');
    if (found !== null) texts.add(`${found.text} ${found.fix}`);
  }
  for (const text of texts) warn?.(text);
}

/** Whether it is the system that keeps us from the state, which is then said; what else is wrong with it must not be passed over. */
export function sayUnreadableState(error: unknown, { stateDir }: Config, warn: Warn): boolean {
  const denied = explainDenied(error, [stateDir]);
  if (denied === null) return false;
  warn?.(`${denied.text} What kmi knows of keys and rotation is left out. ${denied.fix}`);
  return true;
}
