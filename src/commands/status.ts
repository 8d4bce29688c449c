import { join } from 'node:path';
import { candidatesOf, openApp } from '../app.ts';
import { activeBlock, activeCooldown } from '../core/key-state.ts';
import { isEligible } from '../core/standing.ts';
import { strategyInForce } from '../core/strategy.ts';
import { probeProxy, proxyUrl } from '../daemon/probe.ts';
import { renderTime } from '../state/schema.ts';
import { renderStatus, type StatusReport } from '../terminal/status-view.ts';
import { accountsToJson } from './accounts-json.ts';
import { activeIndexOf } from './active-key.ts';
import type { Command } from './context.ts';

type Options = { readonly json?: boolean };

/** `kmi status`: asks nobody but the local proxy. Exit 1 when no key can serve. */
export const run: Command<Options> = async ({ config, environment, out, err, style, width }, { json = false }) => {
  const probing = probeProxy(config);
  const app = await openApp(config, { environment, warn: (message) => err(`kmi: ${message}`) });
  try {
    const report: StatusReport = {
      config,
      now: app.clock(),
      probe: await probing,
      url: proxyUrl(config),
      daemonLog: join(config.stateDir, 'logs', 'proxy.out'),
      candidates: candidatesOf(app),
      activeIndex: activeIndexOf(app),
      state: app.store.state,
      folderExists: app.registry.folderExists,
      skipped: app.registry.skipped,
    };
    const lines = json ? [JSON.stringify(toJson(report), null, 2)] : renderStatus(report, { columns: width, style });
    for (const line of lines) out(line);
    return report.candidates.some((candidate) => isEligible(candidate, report.now)) ? 0 : 1;
  } finally {
    await app.close();
  }
};

/**
 * As docs/kmi-manager.md#status-as-json, with the accounts, the strategy and the skipped auth files added. A key counts
 * under one heading only.
 */
function toJson({ config, now, probe, url, daemonLog, candidates, activeIndex, state, skipped }: StatusReport) {
  const disabled = candidates.filter(({ key }) => key.disabled);
  const { strategy, source } = strategyInForce(state.strategy, config.rotateStrategy);
  const enabled = candidates.filter(({ key }) => !key.disabled);
  const blocked = enabled.filter((candidate) => activeBlock(candidate.state, now) !== null);
  const exhausted = enabled.filter(
    (candidate) => activeBlock(candidate.state, now) === null && activeCooldown(candidate.state, now) !== null,
  );
  return {
    mode: config.dryRun ? 'dry-run' : 'live',
    proxy: {
      running: probe.kind === 'running',
      host: config.proxyListen.host,
      port: config.proxyListen.port,
      url,
      pids: probe.kind === 'running' ? [probe.pid] : [],
      daemon_log: daemonLog,
    },
    upstream: config.upstreamBaseUrl,
    keys: { total: candidates.length, disabled: disabled.length, blocked: blocked.length, exhausted: exhausted.length },
    accounts: accountsToJson(candidates),
    active_key: candidates[activeIndex]?.key.label ?? null,
    rotation: {
      active_index: activeIndex,
      rotation_index: state.rotationIndex,
      auto_rotate: state.autoRotate,
      strategy,
      strategy_source: source,
      session_moves: state.sessionMoves.count,
      session_move_tokens: state.sessionMoves.tokens,
    },
    policy: {
      strict_usage_check: config.requireUsageBeforeRequest,
      fail_open_on_empty_cache: config.failOpenOnEmptyCache,
    },
    cache: {
      usage_refresh_seconds: config.usageCacheSeconds,
      blocklist_recheck_seconds: config.blocklistRecheckSeconds,
      blocklist_max: config.blocklistRecheckMax,
    },
    payment_block_seconds: config.paymentBlockSeconds,
    last_health_refresh: renderTime(state.lastHealthRefresh),
    skipped_auth_files: skipped.map(({ file, reason, detail }) => ({ file, reason, detail })),
  };
}
