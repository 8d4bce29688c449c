import type { OptionRow } from '../command/command-row.ts';
import { YES_OPTION } from '../command/command-row.ts';

export const STOP_OPTIONS: readonly OptionRow[] = [
  // They asked once; scripts still say so.
  { ...YES_OPTION, hidden: true },
  { flags: '-f, --force', help: 'kill it (SIGKILL): open requests are cut off' },
];
