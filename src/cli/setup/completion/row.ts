import type { CommandRow } from '../../command/command-row.ts';

/** `rows`: the whole catalogue, which is being made when this is called. */
export const completionRow = (rows: () => readonly CommandRow[]): CommandRow => ({
  name: 'completion',
  group: 'Set up',
  args: '[bash|zsh|fish]',
  summary: 'print the script that completes kmi in a shell',
  details: `Completes commands, options and the labels of your keys. Without a name, kmi prints the script for the shell in $SHELL.

  bash   add to ~/.bashrc:   source <(kmi completion bash)
  zsh    add to ~/.zshrc:    source <(kmi completion zsh)
  fish   once:               kmi completion fish >
                               ~/.config/fish/completions/kmi.fish`,
  examples: ['source <(kmi completion bash)', 'kmi completion fish | source'],
  options: [
    { flags: '--labels', help: 'the labels of the keys, one a line', hidden: true },
    { flags: '--requests', help: 'what names the newest requests, one a line', hidden: true },
  ],
  withoutToken: true,
  load: async () => ({ run: (await import('./run.ts')).completionOf(rows()) }),
});
