import { openApp } from '../app.ts';
import { isEligible } from '../core/standing.ts';
import { KmiError } from '../errors.ts';
import { renderHealth } from '../terminal/health-view.ts';
import { activeIndexOf } from './active-key.ts';
import type { Command } from './context.ts';
import { candidatesWithHealth, keyToJson } from './health-report.ts';

type Options = { readonly json?: boolean };

/** `kmi health`: live `/usages` calls for every key. Exit 1 when no key can serve. Throws `no_keys`. */
export const run: Command<Options> = async ({ config, environment, out, err, style, width }, { json = false }) => {
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    if (app.registry.keys.length === 0 && !json) throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
    const candidates = await candidatesWithHealth(app);
    const now = app.clock();
    const active = app.registry.keys[activeIndexOf(app)]?.label ?? null;
    const { skipped } = app.registry;
    if (json) {
      const keys = candidates.map((candidate) => keyToJson(candidate, { now, isActive: candidate.key.label === active }));
      const files = skipped.map(({ file, reason, detail }) => ({ file, reason, detail }));
      out(JSON.stringify({ mode: config.dryRun ? 'dry-run' : 'live', keys, skipped_auth_files: files }, null, 2));
    } else {
      for (const line of renderHealth({ config, now, candidates, active, skipped }, { columns: width, style })) out(line);
    }
    return candidates.some((candidate) => isEligible(candidate, now)) ? 0 : 1;
  } finally {
    await app.close();
  }
};
