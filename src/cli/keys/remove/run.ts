import { openApp } from '../../../app.ts';
import { shellWord } from '../../../core/clients/shell-quote.ts';
import type { Key } from '../../../core/keys/key.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { setAsideAuthFile } from '../../../keys/auth-write.ts';
import type { Command } from '../../command/context.ts';
import { tell } from '../../command/tell.ts';
import { askYesNo } from '../../ui/ask.ts';
import { shownPath } from '../../ui/shown-path.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { forgetLogin } from '../forget-login.ts';
import { findKeys } from '../key-selection.ts';
import { followAuthFiles, sayMoved } from '../relabel.ts';

type Options = { readonly args: readonly [readonly string[]]; readonly yes?: boolean; readonly purge?: boolean };

/** `kmi keys remove`: takes auth files out of use and gives logins up, after asking; with `--purge` deletes the files. Exit 1 when declined or a key stays in use. */
export const run: Command<Options> = async (context, { args: [labels], yes = false, purge = false }) => {
  const { config, environment, cwd, home, err, style, errStyle, width } = context;
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  const shown = (path: string) => shownPath(path, { cwd, home });
  try {
    const keys = findKeys(app.registry, labels);
    const names = keys
      .map(({ label, source, login }) => `${label} (${login === undefined ? shown(source) : 'a login'})`)
      .join(', ');
    const verb = purge ? 'Delete for good' : 'Remove';
    if (!yes && !(await askYesNo(`${verb} ${names}?`))) {
      err('Nothing was removed.');
      return 1;
    }
    const setAside: string[] = [];
    for (const key of keys) {
      if (key.login !== undefined) {
        tell(context, `${style.good('Removed')} ${style.strong(key.label)}. ${await forgetLogin(app, key.login)}`);
        continue;
      }
      const kept = await take(key, purge, app.clock());
      if (kept !== null) setAside.push(kept);
      tell(
        context,
        `${style.good('Removed')} ${style.strong(key.label)}. ${kept === null ? 'Its file is deleted.' : `Its file is now ${shown(kept)}.`}`,
      );
    }
    if (setAside.length > 0) for (const line of leftover(setAside.map(shown), width)) err(errStyle.dim(line));
    const { registry: after, moved } = await followAuthFiles(app);
    sayMoved(moved, null, err);
    if (after.keys.length === 0)
      err(`${errStyle.warn('That was the last key')}; \`kmi keys add\` adds another, \`kmi login\` logs in.`);
    const still = after.keys.filter(({ hash }) => keys.some((key) => key.hash === hash));
    for (const { label, source } of still) {
      err(`${errStyle.warn('Still in use')}: ${shown(source)} holds the same key, now as ${label}. Remove that one too.`);
    }
    return still.length === 0 ? 0 : 1;
  } finally {
    await app.close();
  }
};

/** What is on the disk after a removal, and the command that deletes it. */
function leftover(files: readonly string[], width: number): string[] {
  const [what, it] = files.length === 1 ? ['The file still holds the key', 'it'] : ['The files still hold the keys', 'them'];
  const text = `${what}. \`kmi keys remove --purge\` deletes at once; to delete ${it} now:`;
  return [...wrapToWidth(text, width), `  rm ${files.map(pathWord).join(' ')}`];
}

/** A path for a shell, which reads the home folder from a `~` outside of quotes only. */
function pathWord(path: string): string {
  return path.startsWith('~/') ? `~/${shellWord(path.slice(2))}` : shellWord(path);
}

/** Answers the new name of the file, or null when it is gone. */
async function take({ label, source }: Key, purge: boolean, now: number): Promise<string | null> {
  try {
    if (!purge) return await setAsideAuthFile(source, now);
    const { rm } = await import('node:fs/promises');
    await rm(source);
    return null;
  } catch (error) {
    throw new KmiError('auth_file_unchanged', `${label} was not removed: ${source} cannot be changed (${reasonOf(error)}).`, {
      hint: 'Check the owner and permissions of the auths folder.',
      cause: error,
    });
  }
}
