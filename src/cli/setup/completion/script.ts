/*
 * Our own by trial in the real shells (bash 5.2, zsh, fish, with Tab) against @bomb.sh/tab 0.0.22.
 * In bash it evaluates the line as it is typed: Tab behind `kmi keys disable "$(...)"` runs what stands in the brackets, before Enter.
 * It needs the package bash-completion; without that, Tab prints "_get_comp_words_by_ref: command not found", as on macOS.
 * In zsh a label such as "it's my key" comes without its quotes, so the shell waits for the closing one.
 * Each Tab starts Node, also for the names of commands and options, which these scripts hold.
 */
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
