import { VERSION } from '../../../version.ts';
import type { Command } from '../../command/context.ts';

/** `kmi version`. */
export const run: Command<Record<string, unknown>> = async ({ out }) => {
  out(VERSION);
  return 0;
};
