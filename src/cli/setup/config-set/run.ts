import { isAbsolute, resolve } from 'node:path';
import { PATH_WORDS } from '../../../config/kinds.ts';
import { SETTINGS } from '../../../config/settings.ts';
import { KmiError } from '../../../errors.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { withPrompter } from '../../command/prompting.ts';
import { tell } from '../../command/tell.ts';
import { refuseKeyAsArgument } from '../../keys/key-selection.ts';
import type { Prompter } from '../../ui/prompt.ts';
import { editSettings, lineOf, type SettingEdit, sayProxyFollows } from '../edit-settings.ts';
import { settingNamed } from '../setting-named.ts';

type Options = { readonly args: readonly [string, (readonly string[])?]; readonly here?: boolean };

/** A setting and the value typed for it; null: none was. */
type Typed = { readonly name: SettingEdit['name']; readonly text: string | null };

/** `kmi config set`: writes settings into the env file that counts. */
export const run: Command<Options> = async (context, { args: [first, rest = []], here = false }) => {
  const typed = read([first, ...rest]).map((one) => withPath(one, context.cwd));
  const isComplete = typed.every(({ text }) => text !== null);
  if (isComplete)
    return write(
      context,
      typed.map(({ name, text }) => ({ name, value: text as string })),
      here,
    );
  return withPrompter(context, 'Nothing was written.', async (prompter) => {
    const edits: SettingEdit[] = [];
    for (const { name, text } of typed) edits.push({ name, value: text ?? (await askSecret(name, prompter)) });
    return write(context, edits, here);
  });
};

async function write(context: CommandContext, edits: readonly SettingEdit[], here: boolean): Promise<number> {
  const edited = await editSettings(context, edits, { here });
  const lines = edits.map(({ name, value }) => lineOf(name, value)).join(' ');
  const { style } = context;
  const done = edited.outcome === 'written' ? `${style.good('Wrote')} ${lines} to` : `${lines} is already in`;
  tell(context, `${done} ${edited.file}.`);
  await sayProxyFollows(
    context,
    edited,
    edits.map(({ name }) => name),
  );
  return 0;
}

/** `NAME`, `NAME VALUE`, or any number of `NAME=VALUE`. Throws `bad_usage`. */
function read(words: readonly string[]): readonly Typed[] {
  const [first = '', ...rest] = words;
  const isPair = /^[\w-]+=/;
  if (!isPair.test(first)) {
    const [value, ...more] = rest;
    const name = settingNamed(first, 'kmi config set');
    if (more.length > 0 && !words.slice(1).some((word) => isPair.test(word))) {
      throw new KmiError('bad_usage', `${SETTINGS[name].variable} takes one value, and here are ${rest.length}.`, {
        hint: 'Put a value that holds blanks into quotes.',
      });
    }
    if (more.length > 0) throw mixed();
    return [value === undefined ? withoutValue(name) : withValue(name, value)];
  }
  if (!words.every((word) => isPair.test(word))) throw mixed();
  return words.map((word) => {
    const at = word.indexOf('=');
    return withValue(settingNamed(word.slice(0, at), 'kmi config set'), word.slice(at + 1));
  });
}

/** Whoever types a path means it from where they stand; the file counts elsewhere, too. */
function withPath({ name, text }: Typed, cwd: string): Typed {
  const isRelative = text !== null && SETTINGS[name].accepts === PATH_WORDS && !/^[~$%"']/.test(text) && !isAbsolute(text);
  return { name, text: isRelative ? resolve(cwd, text) : text };
}

function mixed(): KmiError {
  return new KmiError('bad_usage', 'Several settings are each given as NAME=VALUE.', {
    hint: 'For example: `kmi config set KMI_DRY_RUN=0 KMI_LOCALE=en`.',
  });
}

/** Only a secret is asked for. */
function withoutValue(name: Typed['name']): Typed {
  const { secret, variable, accepts, defaultText } = SETTINGS[name];
  if (secret) return { name, text: null };
  const example = defaultText === '' ? '' : ` For example: \`kmi config set ${variable} ${defaultText}\`.`;
  throw new KmiError('bad_usage', `${variable} needs a value: ${accepts}.`, {
    hint: `${SETTINGS[name].help.replace(/^./, (letter) => letter.toUpperCase())}.${example}`,
  });
}

function withValue(name: Typed['name'], given: string): Typed {
  const text = given.trim();
  const { variable, isOpen } = SETTINGS[name];
  refuseKeyAsArgument(text);
  if (text === '') {
    throw new KmiError('bad_usage', `${variable} needs a value; an empty one means that it is not set.`, {
      hint: `To go back to the default: \`kmi config unset ${variable}\`.`,
    });
  }
  if (isOpen(text)) return { name, text };
  throw new KmiError(
    'bad_usage',
    `The value of ${variable} is a secret. A secret is never given as an argument, and this one was not used.`,
    {
      hint: `It is now in the shell's history: delete it there, or better make a new one. \`kmi config set ${variable}\` asks for it, hidden, or reads it from standard input.`,
    },
  );
}

async function askSecret(name: Typed['name'], prompter: Prompter): Promise<string> {
  const { variable, accepts } = SETTINGS[name];
  for (;;) {
    const text = (await prompter.askHidden(`${variable} (what you type or paste is not shown): `)).trim();
    if (text !== '') return text;
    if (!prompter.isTerminal)
      throw new KmiError('bad_usage', `${variable} needs a value: ${accepts}.`, { hint: 'Nothing was written.' });
  }
}
