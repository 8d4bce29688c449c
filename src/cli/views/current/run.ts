import { type App, openApp } from '../../../app.ts';
import type { Candidate } from '../../../core/choosing/eligibility.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { newKeyState } from '../../../core/keys/key-state.ts';
import { proxyOrigin } from '../../../daemon/probe.ts';
import { type CurrentAccount, readCurrentAccount } from '../../../keys/current-account.ts';
import { type KimiConfigPath, kimiConfigPaths } from '../../../keys/kimi-config.ts';
import type { Command } from '../../command/context.ts';
import { fetchHealthShown, keyToJson } from '../../keys/health-report.ts';
import { type CurrentEntry, renderCurrent } from './view.ts';

type Options = { readonly json?: boolean };

/** `kmi current`: the quota of the account that the Kimi clients' own configs name. Exit 1 when none can be shown. */
export const run: Command<Options> = async ({ config, environment, out, err, style, width }, { json = false }) => {
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    const entries: CurrentEntry[] = [];
    const paths = kimiConfigPaths(environment);
    for (const path of paths) {
      const account = await readCurrentAccount(path.path, config);
      if (account.kind !== 'missing') entries.push(await look(app, path, account));
    }
    const now = app.clock();
    if (json) {
      out(JSON.stringify({ mode: modeOf(config), accounts: entries.map((entry) => toJson(entry, now)) }, null, 2));
    } else {
      for (const line of renderCurrent(entries, { config, now, paths }, { columns: width, style })) out(line);
    }
    return entries.some(
      (entry) => entry.kind === 'through_proxy' || (entry.kind === 'account' && entry.candidate.health?.error === null),
    )
      ? 0
      : 1;
  } finally {
    await app.close();
  }
};

async function look(
  app: App,
  { client, path }: KimiConfigPath,
  account: Exclude<CurrentAccount, { kind: 'missing' }>,
): Promise<CurrentEntry> {
  const file = { client, path };
  if (account.kind === 'unusable') return { ...file, kind: 'unusable', problem: account.problem };
  if (new URL(account.key.baseUrl).origin === proxyOrigin(app.config)) return { ...file, kind: 'through_proxy' };
  const twin = app.registry.keys.find(({ hash }) => hash === account.key.hash) ?? null;
  const health = await fetchHealthShown(app, [account.key]);
  const candidate: Candidate = {
    key: account.key,
    state: twin === null ? newKeyState() : app.store.keyState(twin.label),
    health: health.get(account.key.label) ?? null,
  };
  return {
    ...file,
    kind: 'account',
    provider: account.provider,
    hasOauth: account.hasOauth,
    pooledAs: twin?.label ?? null,
    candidate,
  };
}

function toJson(entry: CurrentEntry, now: number) {
  const { client, path, kind } = entry;
  if (kind !== 'account') return { client, path, kind, ...(kind === 'unusable' ? { problem: entry.problem } : {}) };
  const { provider, hasOauth, pooledAs, candidate } = entry;
  const { source, active, disabled, ...key } = keyToJson(candidate, { now, isActive: false });
  return { client, path, kind, provider, has_oauth: hasOauth, pooled_as: pooledAs, ...key };
}
