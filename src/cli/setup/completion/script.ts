import { renderBash } from './bash.ts';
import { renderFish } from './fish.ts';
import type { CompletedCommand } from './words.ts';
import { renderZsh } from './zsh.ts';

export const COMPLETION_SHELLS = ['bash', 'zsh', 'fish'] as const;
export type CompletionShell = (typeof COMPLETION_SHELLS)[number];

/** The script a shell loads to complete `kmi`. Labels of keys and ids of requests are asked of `kmi completion` as they are needed. */
export function renderCompletion(shell: CompletionShell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return renderBash(commands);
    case 'zsh':
      return renderZsh(commands);
    case 'fish':
      return renderFish(commands);
  }
}
