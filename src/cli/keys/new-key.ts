import { type App, fetchHealth } from '../../app.ts';
import { isAllowedHost, parseBaseUrl, whyNoBaseUrl } from '../../config/kinds.ts';
import { DEFAULT_WEIGHT, type Key, maskKey } from '../../core/keys/key.ts';
import { KmiError, reasonOf } from '../../errors.ts';
import { addAuthFile, type NewAuthFile } from '../../keys/auth-write.ts';
import { asEmail } from '../../keys/display-text.ts';
import { hashKey, isSendable, looksLikeKey, problemOfKey, trimKey } from '../../keys/key-text.ts';
import { problemOfLabel, suggestLabel } from '../../keys/label.ts';
import type { CommandContext } from '../command/context.ts';
import { startProgress } from '../ui/progress.ts';
import type { Prompter } from '../ui/prompt.ts';
import { shownPath } from '../ui/shown-path.ts';
import { wrapToWidth } from '../ui/width.ts';
import { refuseKeyAsArgument } from './key-selection.ts';
import { checkRank } from './rank.ts';
import { followAuthFiles } from './relabel.ts';
import { judgeTest, type TestResult } from './test/words.ts';

/** What the command line says about a key to come. */
export type NewKeyWishes = {
  readonly label?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly email?: string | undefined;
  readonly priority?: string | undefined;
  readonly weight?: string | undefined;
  /** Ask the upstream about it before it is written. */
  readonly test: boolean;
};

export type NewKeyOutcome =
  /** `works`: the upstream has said so. */
  | { readonly kind: 'added'; readonly label: string; readonly file: string; readonly works: boolean }
  /** The very key is there already. */
  | { readonly kind: 'known'; readonly key: Key };

const TRIES = 3;

type Checked = Omit<NewAuthFile, 'value' | 'label'> & { readonly label: string | null };

/** Reads a key, hidden or from standard input, tests it, and writes its auth file. Throws `bad_usage`, `key_not_added`, `PromptEnded`. */
export async function addNewKey(
  context: CommandContext,
  app: App,
  prompter: Prompter,
  wishes: NewKeyWishes,
): Promise<NewKeyOutcome> {
  const checked = checkWishes(context, wishes);
  const accepted = await readUsableKey(context, app, prompter, checked, wishes.test);
  if ('kind' in accepted) return accepted;
  const label = await chooseLabel(context, app, prompter, checked);
  const path = await writeKey(app, { ...checked, label, value: accepted.value });
  await followAuthFiles(app);
  const file = shownPath(path, context);
  return { kind: 'added', label, file, works: accepted.works };
}

function checkWishes({ config }: CommandContext, { label, baseUrl, email, ...wishes }: NewKeyWishes): Checked {
  refuseKeyAsArgument(label);
  if (label !== undefined) checkLabel(label);
  const url = baseUrl === undefined ? null : parseBaseUrl(baseUrl);
  if (baseUrl !== undefined && url === null) {
    const why = whyNoBaseUrl(baseUrl);
    if (why !== null) throw new KmiError('bad_usage', `The address after --base-url ${why}.`);
    throw new KmiError('bad_usage', '--base-url is not a plain https:// address (http:// is for this machine only).');
  }
  if (url !== null && !isAllowedHost(url, config.upstreamAllowlist)) {
    throw new KmiError('bad_usage', '--base-url names a host that KMI_UPSTREAM_ALLOWLIST does not list.');
  }
  if (email !== undefined && asEmail(email) === null) throw new KmiError('bad_usage', '--email is not an email address.');
  const rank = checkRank(wishes);
  return {
    label: label ?? null,
    baseUrl: url,
    email: asEmail(email),
    priority: rank.priority ?? 0,
    weight: rank.weight ?? DEFAULT_WEIGHT,
  };
}

/** Throws `bad_usage` for a label that cannot be used. */
export function checkLabel(label: string): void {
  const problem = problemOfLabel(label);
  if (problem !== null) throw new KmiError('bad_usage', problem, { hint: 'For example: work, alice, team-2.' });
}

async function readUsableKey(
  context: CommandContext,
  app: App,
  prompter: Prompter,
  checked: Checked,
  test: boolean,
): Promise<{ readonly value: string; readonly works: boolean } | NewKeyOutcome> {
  const { err, errStyle: style, width } = context;
  const say = (head: string, text: string) => {
    const [first, ...rest] = wrapToWidth(`${head}: ${text}`, width) as [string, ...string[]];
    const paint = head.endsWith('works') ? style.good : style.warn;
    err(first.startsWith(head) ? `${paint(head)}${first.slice(head.length)}` : first);
    for (const line of rest) err(line);
  };
  for (let attempt = 1; ; attempt += 1) {
    const value = await readKey(context, prompter, checked.baseUrl ?? app.config.upstreamBaseUrl);
    refuseFurtherKeys(context, prompter);
    // Whatever is logged from here on is cleared of it.
    app.secrets.add(value);
    const known = app.registry.keys.find(({ hash }) => hash === hashKey(value));
    if (known !== undefined) return { kind: 'known', key: known };
    if (prompter.isTerminal) err(style.dim(`Read ${maskKey(value)} (${value.length} characters).`));
    if (!test) return { value, works: false };
    const { result, text } = await testNewKey(app, value, checked);
    if (result === 'works') {
      say('The key works', `${text}.`);
      return { value, works: true };
    }
    const canAsk = prompter.isTerminal && (result === 'unclear' || attempt < TRIES);
    if (!canAsk) throw notAdded(result, text, value);
    if (result === 'refused') {
      say('The upstream refuses this key', `${text}. Enter another one, or press Ctrl+C.`);
      continue;
    }
    say('The key could not be tested', `${text}.`);
    if (await prompter.confirm('Keep it anyway?', false)) return { value, works: false };
    err('It was not kept. Enter another one, or press Ctrl+C.');
  }
}

/** What is piped in and not used is named, and of several keys none is taken before the others are seen to. */
function refuseFurtherKeys({ err }: CommandContext, prompter: Prompter): void {
  const lines = prompter.unread().filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  if (lines.some((line) => looksLikeKey(bareKey(line)))) {
    throw new KmiError('bad_usage', 'The input holds several keys, and one is added at a time.', {
      hint: 'Nothing was written. Run the command once for each key.',
    });
  }
  if (lines.length > 0) err('Only the first line of the input was used; a label, for example, is an argument.');
}

/** A key as it stands in an env file, a shell profile or a header. */
function bareKey(line: string): string {
  return trimKey(line.replace(/^\s*(?:export\s+)?(?:\w*API_KEY\s*=|(?:Authorization:\s*)?Bearer\s)/i, ''));
}

/** A person is asked again until what was typed can be a key; a script gets the error. */
async function readKey({ err, width }: CommandContext, prompter: Prompter, baseUrl: string): Promise<string> {
  for (let line = 1; ; line += 1) {
    const typed = await prompter.askHidden('API key (not shown while you type or paste): ');
    const value = bareKey(typed);
    const problem = value === '' ? 'No key was given.' : whyUnusable(value, baseUrl);
    if (problem === null) return value;
    if (prompter.isTerminal) for (const each of wrapToWidth(`${problem} Enter another one, or press Ctrl+C.`, width)) err(each);
    // A file may begin with empty lines.
    else if (value !== '' || line >= 10) throw new KmiError('bad_usage', problem);
  }
}

function whyUnusable(value: string, baseUrl: string): string | null {
  const wrong = problemOfKey(value, baseUrl);
  if (wrong !== null && wrong.reason !== 'malformed') return wrong.detail;
  if (!isSendable(value)) return 'The key has blanks or characters that no API key has; more than the key was copied.';
  return wrong?.detail ?? null;
}

async function testNewKey(app: App, value: string, { baseUrl, email, priority, weight }: Checked): Promise<TestResult> {
  const url = baseUrl ?? app.config.upstreamBaseUrl;
  const key = { label: 'new', value, hash: hashKey(value), baseUrl: url, priority, weight, disabled: false, email, source: '' };
  const progress = startProgress(process.stderr, () => `Asking ${new URL(url).host} about the key...`);
  try {
    const health = await fetchHealth(app, { keys: [key], live: true });
    return judgeTest(health.get(key.label) ?? { usage: null, error: 'no answer', fetchedAt: app.clock() });
  } finally {
    progress.end();
  }
}

function notAdded(result: TestResult['result'], text: string, value: string): KmiError {
  if (result === 'unclear') {
    return new KmiError('key_not_added', `The key could not be tested, so it was not added: ${text}.`, {
      hint: 'Check the network and --base-url, or add it untested with --no-test.',
    });
  }
  const hint = /^sk-kimi-/i.test(value)
    ? 'Make a new key on kimi.com/code, or check that the whole key was copied.'
    : 'Keys of Kimi Code begin with sk-kimi-; a key of the Open Platform needs --base-url and --no-test.';
  return new KmiError('key_not_added', `The upstream refuses the key, so it was not added: ${text}.`, { hint });
}

async function chooseLabel(
  { err, width }: CommandContext,
  { registry }: App,
  prompter: Prompter,
  { label, email }: Checked,
): Promise<string> {
  const taken = registry.keys.map((key) => key.label);
  const isTaken = (wanted: string) => taken.some((other) => other.toLowerCase() === wanted.toLowerCase());
  if (label !== null) {
    if (isTaken(label)) throw new KmiError('key_not_added', `There is a key called ${label} already.`);
    return label;
  }
  const suggested = suggestLabel(taken, email);
  if (!prompter.isTerminal) return suggested;
  for (;;) {
    const answer = (await prompter.ask(`Label for it [${suggested}]: `)).trim() || suggested;
    const problem = isTaken(answer) ? `There is a key called ${answer} already.` : problemOfLabel(answer);
    if (problem === null) return answer;
    for (const line of wrapToWidth(problem, width)) err(line);
  }
}

async function writeKey({ config }: App, file: NewAuthFile): Promise<string> {
  try {
    return await addAuthFile(config.authsDir, file);
  } catch (error) {
    throw new KmiError('key_not_added', `The folder ${config.authsDir} cannot be written to (${reasonOf(error)}).`, {
      hint: 'Check its owner and permissions, or name another one with KMI_AUTHS_DIR.',
      cause: error,
    });
  }
}
