import { openApp } from '../../../app.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { withPrompter } from '../../command/prompting.ts';
import { tell } from '../../command/tell.ts';
import { sayFollowing } from '../../proxy/proxy-words.ts';
import { offerLive } from '../go-live.ts';
import { sayLeftBehind, workHere } from '../here.ts';
import { refuseKeyAsArgument } from '../key-selection.ts';
import { addNewKey } from '../new-key.ts';

type Options = {
  readonly args: readonly (string | undefined)[];
  readonly baseUrl?: string;
  readonly email?: string;
  readonly priority?: string;
  readonly weight?: string;
  readonly key?: string;
  readonly here?: boolean;
  /** False with `--no-test`. */
  readonly test?: boolean;
};

/** `kmi keys add`: a key from a hidden prompt or standard input, tested, into an `.env` file of its own. */
export const run: Command<Options> = async (given, { args, key, test = true, here = false, ...about }) => {
  const context = here ? workHere(given) : given;
  const { config, environment, err, style } = context;
  const [label] = args;
  refuseKeyAsArgument(label);
  if (key !== undefined) {
    throw new KmiError('bad_usage', 'A key is never given as an argument, and this one was not used.', {
      hint: "It is now in the shell's history: delete it there, or better make a new key. Leave --key out: you are asked for the key, or it is read from standard input.",
    });
  }
  return withPrompter(context, 'No key was added.', async (prompter) => {
    const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
    try {
      const outcome = await addNewKey(context, app, prompter, { ...about, label, test });
      if (outcome.kind === 'known') {
        throw new KmiError('key_not_added', `This key is here already: ${outcome.key.label}${off(outcome.key.disabled)}.`);
      }
      tell(
        context,
        `${style.good('Added')} ${style.strong(outcome.label)} (${outcome.file}). ${sayFollowing(context, 'uses it')}`,
      );
      if (here) await sayLeftBehind(context, given);
      if (outcome.works && config.dryRun) await offerLive(context, prompter);
      return 0;
    } finally {
      await app.close();
    }
  });
};

function off(disabled: boolean): string {
  return disabled ? ' (disabled; `kmi keys enable` switches it on)' : '';
}
