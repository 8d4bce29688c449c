import { openApp } from '../../../app.ts';
import { audit } from '../../command/audit.ts';
import type { Command } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { tell } from '../../command/tell.ts';
import { activeIndexOf } from '../../keys/active-key.ts';

/** `kmi rotate off`: turns auto-rotation off, whatever its strategy; requests stay with the active key. */
export const run: Command<Record<string, unknown>> = async (context) => {
  const { config, environment, err, style } = context;
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const wasOn = app.store.state.autoRotate;
    app.ledger.setAutoRotate(false);
    await saveState(app);
    await audit(app, 'auto_rotate_disabled');
    const active = app.registry.keys[activeIndexOf(app)]?.label;
    tell(
      context,
      `${wasOn ? style.good('Auto-rotation is off.') : 'Auto-rotation was off already.'} A running proxy follows within a second.`,
    );
    if (active !== undefined)
      tell(context, `Requests stay with the active key ${style.strong(active)}; \`kmi rotate\` picks another.`);
    return 0;
  } finally {
    await app.close();
  }
};
