import { openApp } from '../../../app.ts';
import { isReady } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, siblingsByLabel } from '../../../core/choosing/key-accounts.ts';
import { rotationInForce } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { KmiError } from '../../../errors.ts';
import type { Command } from '../../command/context.ts';
import { accountsToJson } from '../../keys/accounts-json.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { candidatesWithHealth, keyToJson } from '../../keys/health-report.ts';
import { tokensOfToday, tokensToJson } from '../tokens-today.ts';
import { renderHealth } from './view.ts';

type Options = { readonly json?: boolean };

/** `kmi health`: live `/usages` calls for every key. Exit 1 when no key can serve. Throws `no_keys`. */
export const run: Command<Options> = async ({ config, environment, out, err, style, width }, { json = false }) => {
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    if (app.registry.keys.length === 0 && !json) throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
    const candidates = await candidatesWithHealth(app);
    const now = app.clock();
    const isManual = rotationInForce(app.store.state, config) === null;
    const active = app.registry.keys[activeIndexOf(app)]?.label ?? null;
    const { skipped } = app.registry;
    const today = await tokensOfToday(app);
    if (json) {
      const siblings = siblingsByLabel(accountedKeys(candidates));
      const keys = candidates.map((candidate) => ({
        ...keyToJson(candidate, { now, isActive: candidate.key.label === active }),
        account: candidate.state.account?.id ?? null,
        same_account_as: siblings.get(candidate.key.label) ?? [],
        tokens_today: tokensToJson(today.get(candidate.key.label)),
      }));
      const files = skipped.map(({ file, reason, detail }) => ({ file, reason, detail }));
      const mode = modeOf(config);
      out(JSON.stringify({ mode, accounts: accountsToJson(candidates), keys, skipped_auth_files: files }, null, 2));
    } else {
      const report = { config, now, candidates, today, skipped };
      for (const line of renderHealth({ ...report, active: isManual ? active : null }, { columns: width, style })) out(line);
    }
    return candidates.some((candidate) => isReady(candidate, now)) ? 0 : 1;
  } finally {
    await app.close();
  }
};
