import type { CommandContext } from '../command/context.ts';
import { say, writeSetting } from '../command/settings-file.ts';
import { tell } from '../command/tell.ts';
import { PromptEnded, type Prompter } from '../ui/prompt.ts';

/** A key that works is of little use in dry-run: offers to go live; without a terminal it says how. */
export async function offerLive(context: CommandContext, prompter: Prompter): Promise<void> {
  const { loaded, style } = context;
  if (!prompter.isTerminal) {
    say(context, 'kmi is in dry-run and sends nothing yet: `kmi init --live` goes live.');
    return;
  }
  if (loaded.sources.dryRun.kind === 'environment') {
    say(context, 'kmi is in dry-run and sends nothing: KMI_DRY_RUN is set in the environment. Unset it there to go live.');
    return;
  }
  // What was added before stays, so an interrupt is a no.
  const isWanted = await prompter.confirm('kmi is in dry-run and sends nothing yet. Go live?', true).catch((error: unknown) => {
    if (error instanceof PromptEnded) return false;
    throw error;
  });
  if (!isWanted) {
    tell(context, `${style.warn('Dry-run')}: nothing is sent; \`kmi init --live\` changes that.`);
    return;
  }
  await writeSetting(context, 'dryRun', '0');
  tell(context, `${style.good('Live')}: requests go to the upstream. A running proxy follows with \`kmi restart\`.`);
}
