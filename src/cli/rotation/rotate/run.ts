import { type App, openApp } from '../../../app.ts';
import { pickManual } from '../../../core/choosing/manual-rotation.ts';
import { rotationInForce } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import type { Key } from '../../../core/keys/key.ts';
import { proxyUrl } from '../../../daemon/probe.ts';
import { KmiError } from '../../../errors.ts';
import { audit } from '../../command/audit.ts';
import type { Command } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { candidatesWithHealth, keyToJson } from '../../keys/health-report.ts';
import { type ConfigNote, type RotateReport, renderRemedy, renderRotate } from './view.ts';

type Options = { readonly json?: boolean; readonly writeConfig?: boolean };

/** `kmi rotate`: the eligible key with the most quota left becomes the active one. Exit 1 when there is none. Throws `no_keys`. */
export const run: Command<Options> = async (context, { json = false, writeConfig = false }) => {
  const { config, environment, out, err, errStyle, style, width } = context;
  const isWritten = writeConfig || config.writeConfig;
  if (writeConfig && modeOf(config) !== 'live') err(`kmi: No config is written: this is ${modeOf(config)}.`);
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
    const written = choice.candidate === null || !isWritten ? [] : await writeClientConfigs(app, choice.candidate.key);
    const rotating = rotationInForce(app.store.state, config);
    const report: RotateReport = { config, now, candidates, choice, previousIndex, rotating, written };
    const lines = json ? [JSON.stringify(toJson(report), null, 2)] : renderRotate(report, { columns: width, style });
    for (const line of lines) out(line);
    if (choice.candidate !== null) return 0;
    err(`${errStyle.bad('kmi:')} ${renderRemedy(report)}`);
    return 1;
  } finally {
    await app.close();
  }
};

function toJson({ config, now, candidates, choice, previousIndex, rotating, written }: RotateReport) {
  const index = choice.candidate === null ? previousIndex : choice.index;
  return {
    mode: modeOf(config),
    active_key: candidates[index]?.key.label ?? null,
    previous_key: candidates[previousIndex]?.key.label ?? null,
    reason: choice.candidate === null ? null : choice.reason.kind,
    auto_rotate: rotating !== null,
    written: written.flatMap(({ client, result }) => (result.kind === 'written' ? [{ client, file: result.file }] : [])),
    keys: candidates.map((candidate, n) => keyToJson(candidate, { now, isActive: n === index })),
  };
}

/** In live mode the key goes into the config of every Kimi client that has one. */
async function writeClientConfigs(app: App, key: Key): Promise<ConfigNote[]> {
  const { config, environment } = app;
  if (modeOf(config) !== 'live') return [];
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
