import { candidatesOf, openApp } from '../../../app.ts';
import { accountedKeys, countAccounts } from '../../../core/choosing/key-accounts.ts';
import { AS_SET, isStrategy, STRATEGIES, type Strategy, strategyInForce } from '../../../core/choosing/strategy.ts';
import { KmiError } from '../../../errors.ts';
import { audit } from '../../command/audit.ts';
import type { Command } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { tell } from '../../command/tell.ts';
import { viewWidth } from '../../ui/panel.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { renderMode } from '../../words/mode-line.ts';
import { STRATEGY_WORDS } from '../../words/strategy-words.ts';

type Options = { readonly strategy?: string };

/**
 * `kmi rotate auto`: turns auto-rotation on, with `--strategy` in that way from now on (`setting`: as `KMI_ROTATE_STRATEGY`
 * says), then checks it end to end unless `KMI_AUTO_ROTATE_E2E=0`. The exit code is the check's. Throws `bad_usage`, `rotation_not_allowed`, `no_keys`.
 */
export const run: Command<Options> = async (context, options) => {
  const { config, environment, out, err, style, width } = context;
  const wanted = options.strategy === AS_SET ? AS_SET : parseStrategy(options.strategy, [...STRATEGIES, AS_SET]);
  if (!config.autoRotateAllowed && context.loaded.config.autoRotateAllowed) {
    throw new KmiError(
      'rotation_not_allowed',
      'The running proxy does not allow auto-rotation: it was started without KMI_AUTO_ROTATE_ALLOWED=1.',
      {
        hint: 'Apply the setting with `kmi restart`, then run this again.',
      },
    );
  }
  if (!config.autoRotateAllowed) {
    throw new KmiError('rotation_not_allowed', 'Auto-rotation is not allowed here: KMI_AUTO_ROTATE_ALLOWED is 0.');
  }
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const { keys } = app.registry;
    if (keys.length === 0)
      throw new KmiError('no_keys', `There are no keys in ${config.authsDir}, so there is nothing to rotate.`);
    app.ledger.setAutoRotate(true, wanted);
    await saveState(app);
    const { strategy } = strategyInForce(app.store.state.strategy, config.rotateStrategy);
    await audit(app, 'auto_rotate_enabled', { strategy, keys: keys.length });
    if (!config.autoRotateE2e) tell(context, renderMode(config, style));
    tell(context, `${style.good('Auto-rotation is on')} (${strategy}): a running proxy follows within a second.`);
    for (const line of wrapToWidth(asSentence(STRATEGY_WORDS[strategy].does), viewWidth(width))) out(style.dim(line));
    const accounts = countAccounts(accountedKeys(candidatesOf(app).filter(({ key }) => !key.disabled)));
    if (accounts.keys < 2) tell(context, style.warn('Only one key is enabled, so every request goes to it.'));
    else if (accounts.accounts < 2)
      tell(context, style.warn('All keys belong to one account, so it pays for every request (`kmi keys list`).'));
  } finally {
    await app.close();
  }
  if (!config.autoRotateE2e) {
    tell(context, style.dim('kmi skipped the end-to-end check (KMI_AUTO_ROTATE_E2E=0); `kmi e2e` runs it.'));
    return 0;
  }
  out('');
  const { E2E_DEFAULTS, runE2e } = await import('../e2e/run.ts');
  return runE2e(context, E2E_DEFAULTS);
};

/** The value of `--strategy`; null when it is not given. Throws `bad_usage`, which names the `words` there are. */
export function parseStrategy(text: string | undefined, words: readonly string[] = STRATEGIES): Strategy | null {
  if (text === undefined) return null;
  if (isStrategy(text)) return text;
  throw new KmiError('bad_usage', `--strategy ${text.slice(0, 40)}: takes ${words.join(', ')}.`);
}

function asSentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
