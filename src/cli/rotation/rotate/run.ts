import { type App, openApp } from '../../../app.ts';
import { pickManual } from '../../../core/choosing/manual-rotation.ts';
import { strategyInForce } from '../../../core/choosing/strategy.ts';
import type { Key } from '../../../core/keys/key.ts';
import { proxyUrl } from '../../../daemon/probe.ts';
import { KmiError } from '../../../errors.ts';
import { audit } from '../../command/audit.ts';
import type { Command } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { candidatesWithHealth } from '../../keys/health-report.ts';
import { type ConfigNote, type RotateReport, renderRemedy, renderRotate } from './view.ts';

/** `kmi rotate`: the eligible key with the most quota left becomes the active one. Exit 1 when there is none. Throws `no_keys`. */
export const run: Command<Record<string, unknown>> = async ({ config, environment, out, err, errStyle, style, width }) => {
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    if (app.registry.keys.length === 0) throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
    const candidates = await candidatesWithHealth(app);
    const now = app.clock();
    const previousIndex = activeIndexOf(app);
    const choice = pickManual(candidates, previousIndex, { now, rotateOnTie: config.rotateOnTie });
    if (choice.candidate !== null) {
      app.ledger.setActive(choice.candidate.key.label, choice.index);
      await saveState(app);
    }
    const written = choice.candidate === null ? [] : await writeClientConfigs(app, choice.candidate.key);
    const { autoRotate, strategy } = app.store.state;
    const rotating = autoRotate && config.autoRotateAllowed ? strategyInForce(strategy, config.rotateStrategy).strategy : null;
    const report: RotateReport = { config, now, candidates, choice, previousIndex, rotating, written };
    for (const line of renderRotate(report, { columns: width, style })) out(line);
    if (choice.candidate !== null) return 0;
    err(`${errStyle.bad('kmi:')} ${renderRemedy(report)}`);
    return 1;
  } finally {
    await app.close();
  }
};

/** Live and with `KMI_WRITE_CONFIG`: the key goes into the config of every Kimi client that has one. */
async function writeClientConfigs(app: App, key: Key): Promise<ConfigNote[]> {
  const { config, environment } = app;
  if (config.dryRun || !config.writeConfig) return [];
  const { kimiConfigPaths, writeKimiConfig } = await import('../../../keys/kimi-config.ts');
  const notes: ConfigNote[] = [];
  for (const { client, path } of kimiConfigPaths(environment)) {
    const result = await writeKimiConfig(path, key, { proxyUrl: proxyUrl(config) });
    notes.push({ client, result });
    if (result.kind === 'written') {
      const { file, provider, changed, backup } = result;
      await audit(app, 'config_written', { key_label: key.label, client, file, provider, changed, backup });
    }
  }
  return notes;
}
