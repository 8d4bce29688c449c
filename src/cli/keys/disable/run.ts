import type { Command } from '../../command/context.ts';
import { switchKeys } from '../switch-keys.ts';

type Options = { readonly args: readonly [readonly string[]] };

export const run: Command<Options> = (context, { args: [labels] }) => switchKeys(context, labels, true);
