import { wrapProse } from '../ui/prose.ts';
import type { CommandContext } from './context.ts';

/** A sentence on standard output: wrapped in a terminal, a line elsewhere. Data, and what people copy, goes to `out`. */
export function tell({ out, isTerminal, width }: Pick<CommandContext, 'out' | 'isTerminal' | 'width'>, text: string): void {
  for (const line of isTerminal ? wrapProse(text, width) : [text]) out(line);
}
