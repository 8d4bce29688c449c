import type { App } from '../../../app.ts';
import { isStrategy, STRATEGIES, STRATEGY_FACTS, type Strategy, strategyInForce } from '../../../core/choosing/strategy.ts';
import { audit } from '../../command/audit.ts';
import type { CommandContext } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { type InitAnswer, say, writeSetting } from '../../command/settings-file.ts';
import { renderFields } from '../../ui/panel.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { STICKY_ADVICE, STRATEGY_WORDS } from '../../words/strategy-words.ts';

export type RotationWishes = { readonly autoRotate?: boolean | undefined; readonly strategy: Strategy | null };

/**
 * Auto-rotation and its strategy: by flag, else asked, after the provider's terms. Writes `KMI_AUTO_ROTATE_ALLOWED` and
 * the state.
 */
export async function chooseRotation(
  context: CommandContext,
  app: App,
  { autoRotate, strategy }: RotationWishes,
  answer: InitAnswer,
): Promise<void> {
  const { config, loaded, out } = context;
  const { state } = app.store;
  const isOn = state.autoRotate && config.autoRotateAllowed;
  if (autoRotate === false) {
    if (state.autoRotate) {
      app.ledger.setAutoRotate(false);
      await saveState(app);
      await audit(app, 'auto_rotate_disabled');
    }
    out('Auto-rotation is off: requests stay with the active key.');
    return;
  }
  if (isOn && strategy === null) return sayStrategy(context, app);
  if (!isOn && autoRotate !== true) {
    if (!answer.canAsk) {
      if (strategy === null) return;
      app.ledger.setAutoRotate(state.autoRotate, strategy);
      await saveState(app);
      out(`Auto-rotation stays off; once \`kmi rotate auto\` turns it on, it is ${strategy}.`);
      return;
    }
    say(
      context,
      '',
      'Auto-rotation shares requests out among your accounts. Kimi allows personal, interactive use: no resale, no sharing of keys, no forged clients. Using several accounts may not be what it wants; whether you do is your decision.',
    );
    if (!(await answer.confirm('Turn auto-rotation on?', false))) {
      out('Auto-rotation stays off; `kmi rotate` picks the best key by hand.');
      return;
    }
  }
  const chosen = strategy ?? (answer.canAsk ? await askStrategy(context, app, answer) : null);
  if (!config.autoRotateAllowed || loaded.sources.autoRotateAllowed.kind !== 'file') {
    await writeSetting(context, 'autoRotateAllowed', '1');
  }
  app.ledger.setAutoRotate(true, chosen);
  await saveState(app);
  await audit(app, 'auto_rotate_enabled', { strategy: inForce(context, app), keys: app.registry.keys.length });
  sayStrategy(context, app);
  if (chosen === null && !STRATEGY_FACTS[inForce(context, app)].keepsSessions) {
    for (const line of wrapToWidth(STICKY_ADVICE, context.width)) out(line);
    out('To have it: `kmi rotate auto --strategy sticky`');
  }
}

function inForce({ config }: CommandContext, { store }: App): Strategy {
  return strategyInForce(store.state.strategy, config.rotateStrategy).strategy;
}

function sayStrategy(context: CommandContext, app: App): void {
  const { out, style, width } = context;
  const strategy = inForce(context, app);
  const head = `Auto-rotation is on (${strategy})`;
  const [first = '', ...rest] = wrapToWidth(`${head}: ${STRATEGY_WORDS[strategy].does}.`, width);
  out(first.replace(head, style.good(head)));
  for (const line of rest) out(line);
}

/** What was chosen or set before is offered again; else `sticky`, because this is mostly for coding agents. */
async function askStrategy(context: CommandContext, { store }: App, { ask }: InitAnswer): Promise<Strategy> {
  const { config, loaded } = context;
  const isSaid = store.state.strategy !== null || loaded.sources.rotateStrategy.kind !== 'default';
  const fallback = isSaid ? strategyInForce(store.state.strategy, config.rotateStrategy).strategy : 'sticky';
  say(context, '', STICKY_ADVICE);
  const ways = STRATEGIES.map((strategy) => ({ name: strategy, value: STRATEGY_WORDS[strategy].does }));
  for (const line of renderFields(ways, Math.min(context.width, 80) - 2, context.errStyle)) context.err(`  ${line}`);
  for (;;) {
    const text = (await ask(`Strategy [${fallback}]: `)).trim().toLowerCase();
    if (text === '') return fallback;
    if (isStrategy(text)) return text;
    say(context, `Please answer ${STRATEGIES.join(', ')}, or press Enter for ${fallback}.`);
  }
}
