import { type App, fetchHealth, openApp } from '../../../app.ts';
import { loadKeys } from '../../../app-keys.ts';
import { isLoginOver, type Key } from '../../../core/keys/key.ts';
import { activeBlock, endsByRecheck } from '../../../core/keys/key-state.ts';
import { howToRenew } from '../../../core/keys/login-words.ts';
import { KmiError } from '../../../errors.ts';
import type { FetchedHealth } from '../../../health/usage-client.ts';
import type { Command } from '../../command/context.ts';
import { startProgress } from '../../ui/progress.ts';
import { counted } from '../../words/key-words.ts';
import { findKeys } from '../key-selection.ts';
import { renderKeyTests } from '../list/view.ts';
import { judgeTest, type TestResult } from './words.ts';

type Options = { readonly args: readonly [(readonly string[])?]; readonly json?: boolean };

/** `kmi keys test`: one `/usages` call a key, also in dry-run. A reading with quota ends a `quota` cooldown. Exit 1 when a key does not work. Throws `no_keys`. */
export const run: Command<Options> = async (context, { args: [labels = []], json = false }) => {
  const { config, environment, out, err, style, errStyle, width } = context;
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    const keys = labels.length === 0 ? app.registry.keys : findKeys(app.registry, labels);
    if (keys.length === 0) {
      throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`, {
        hint: 'Log in with `kmi login`, or add one with `kmi keys add`.',
      });
    }
    if (!json)
      err(errStyle.dim(`Sending the upstream one real call per key${config.dryRun ? ', although this is dry-run' : ''}.`));
    const health = await askAll(app, keys);
    const tests = judgeTests(keys, health, await expiredLogins(app));
    const isGood = tests.every(({ result }) => result === 'works');
    if (json) {
      const rows = tests.map(({ key, result, text }) => ({
        label: key.label,
        key_hash: key.hash,
        disabled: key.disabled,
        result,
        detail: text,
        http_status: health.get(key.label)?.status ?? null,
      }));
      out(JSON.stringify({ ok: isGood, keys: rows }, null, 2));
    } else {
      const shown = tests.map(({ key, ...test }) => ({ label: key.label, disabled: key.disabled, ...test }));
      for (const line of renderKeyTests(shown, { columns: width, style })) out(line);
      const stillBlocked = tests.flatMap(({ key, result }) => {
        const block = result === 'works' ? activeBlock(app.store.keyState(key.label), app.clock()) : null;
        return block === null ? [] : [{ key, block }];
      });
      if (stillBlocked.length > 0) {
        const labelsOf = (isFreed: boolean) =>
          stillBlocked.filter(({ block }) => endsByRecheck(block) === isFreed).map(({ key }) => key.label);
        const say = (labels: readonly string[], next: string) => {
          if (labels.length > 0) err(`${errStyle.warn('Still blocked')}: ${labels.join(', ')}. ${next}`);
        };
        say(labelsOf(true), '`kmi doctor --recheck-keys` unblocks keys that answer.');
        say(
          labelsOf(false),
          'Kimi had closed the account; if it is open again, `kmi doctor --clear-blocklist` unblocks its keys.',
        );
      }
    }
    return isGood ? 0 : 1;
  } finally {
    await app.close();
  }
};

type Test = TestResult & { readonly key: Key };

function judgeTests(
  keys: readonly Key[],
  health: ReadonlyMap<string, FetchedHealth>,
  expired: ReadonlySet<string>,
): readonly Test[] {
  return keys.map((key) => {
    const { hash, label, login } = key;
    if (login === undefined || !expired.has(hash)) return { key, ...judgeTest(health.get(label) as FetchedHealth) };
    return { key, result: 'refused', text: `the login has expired. ${howToRenew(label, login.kind)}` };
  });
}

/** Hashes of the logins that are over by now: the test itself may have found it out. */
async function expiredLogins({ config, secrets, clock }: App): Promise<ReadonlySet<string>> {
  const { keys } = await loadKeys(config, (secret) => secrets.add(secret));
  return new Set(keys.filter((key) => isLoginOver(key, clock())).map(({ hash }) => hash));
}

async function askAll(app: App, keys: readonly Key[]): Promise<ReadonlyMap<string, FetchedHealth>> {
  const progress = startProgress(process.stderr, (done) => `Asked about ${done} of ${counted(keys.length, 'key')}...`);
  try {
    return await fetchHealth(app, { keys, live: true, onResult: progress.step });
  } finally {
    progress.end();
  }
}
