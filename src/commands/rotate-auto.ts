import { openApp } from '../app.ts';
import { KmiError } from '../errors.ts';
import { renderMode } from '../terminal/mode-line.ts';
import { audit } from './audit.ts';
import type { Command } from './context.ts';
import { saveState } from './save-state.ts';

/**
 * `kmi rotate auto`: turns round-robin on, then checks it end to end unless `KMI_AUTO_ROTATE_E2E=0`. The exit code is the
 * check's. Throws `rotation_not_allowed`, `no_keys`.
 */
export const run: Command<Record<string, unknown>> = async (context) => {
  const { config, environment, out, err, style } = context;
  if (!config.autoRotateAllowed) {
    throw new KmiError('rotation_not_allowed', 'Auto-rotation is not allowed here: KMI_AUTO_ROTATE_ALLOWED is 0.');
  }
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const { keys } = app.registry;
    if (keys.length === 0)
      throw new KmiError('no_keys', `There are no keys in ${config.authsDir}, so there is nothing to rotate.`);
    app.ledger.setAutoRotate(true);
    await saveState(app);
    await audit(app, 'auto_rotate_enabled', { strategy: config.rotateStrategy, keys: keys.length });
    out(renderMode(config, style));
    out(`${style.good('Auto-rotation is on')} (${config.rotateStrategy}): a running proxy follows within a second.`);
    const enabled = keys.filter(({ disabled }) => !disabled).length;
    if (enabled < 2) out(style.warn('Only one key is switched on, so every request goes to it.'));
  } finally {
    await app.close();
  }
  if (!config.autoRotateE2e) {
    out(style.dim('The end-to-end check was left out (KMI_AUTO_ROTATE_E2E=0); `kmi e2e` runs it.'));
    return 0;
  }
  out('');
  const { E2E_DEFAULTS, runE2e } = await import('./e2e.ts');
  return runE2e(context, E2E_DEFAULTS);
};
