import { join } from 'node:path';
import { candidatesOf, openApp } from '../../../app.ts';
import { isReady, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { strategyInForce } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import type { KeyStatus } from '../../../core/keys/key-status.ts';
import { probeProxy, proxyUrl } from '../../../daemon/probe.ts';
import { renderTime } from '../../../state/schema.ts';
import type { Command } from '../../command/context.ts';
import { accountsToJson } from '../../keys/accounts-json.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { asTold, foreignSettings } from '../../proxy/proxy-words.ts';
import { notUsedTexts } from '../../words/not-used-words.ts';
import { hangsOnSession, labelOfNext } from './next-key.ts';
import { renderStatus, type StatusReport } from './view.ts';

type Options = { readonly json?: boolean };

/** `kmi status`: asks nobody but the local proxy. Exit 1 when no key can serve. */
export const run: Command<Options> = async (context, { json = false }) => {
  const { config, environment, loaded, proxy, out, err, style, width } = context;
  const probing = probeProxy(config);
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    const probe = await probing;
    const stranger = proxy == null && probe.kind === 'running' ? (probe.about ?? null) : null;
    const report: StatusReport = {
      config: stranger === null ? config : asTold(config, stranger),
      now: app.clock(),
      probe,
      next: await labelOfNext(app, probe),
      isElsewhere: stranger !== null,
      url: proxyUrl(config),
      foreign: foreignSettings(context),
      daemonLog: join(loaded.config.stateDir, 'logs', 'proxy.out'),
      candidates: candidatesOf(app),
      activeIndex: activeIndexOf(app),
      state: app.store.state,
      folderExists: app.registry.folderExists,
      skipped: app.registry.skipped,
      notUsed: notUsedTexts(loaded.unused, app.registry.remarks, config.authsDir),
    };
    const lines = json ? [JSON.stringify(toJson(report), null, 2)] : renderStatus(report, { columns: width, style });
    for (const line of lines) out(line);
    const hasKey = report.candidates.some((candidate) => isReady(candidate, report.now));
    return hasKey || (stranger !== null && probe.kind === 'running' && probe.keys.ready > 0) ? 0 : 1;
  } finally {
    await app.close();
  }
};

function failingToJson(probe: StatusReport['probe']) {
  const failing = probe.kind === 'running' ? probe.about?.failing : undefined;
  return failing === undefined ? {} : { failing: { ...failing, since: new Date(failing.since).toISOString() } };
}

/** What scripts read. A key counts under one heading only. */
function toJson(report: StatusReport) {
  const { config, now, probe, next, url, daemonLog, candidates, activeIndex, state, skipped, notUsed } = report;
  const { strategy, source } = strategyInForce(state.strategy, config.rotateStrategy);
  const count = (status: KeyStatus) => candidates.filter((candidate) => keyStatusOf(candidate, now) === status).length;
  const cooldown = count('cooldown');
  return {
    mode: modeOf(config),
    proxy: {
      running: probe.kind === 'running',
      host: config.proxyListen.host,
      port: config.proxyListen.port,
      url,
      pids: probe.kind === 'running' ? [probe.pid] : [],
      daemon_log: daemonLog,
      ...failingToJson(probe),
    },
    upstream: config.upstreamBaseUrl,
    // `exhausted` is KMI Manager's name of `cooldown`.
    keys: { total: candidates.length, disabled: count('disabled'), blocked: count('blocked'), cooldown, exhausted: cooldown },
    accounts: accountsToJson(candidates),
    active_key: candidates[activeIndex]?.key.label ?? null,
    rotation: {
      active_index: activeIndex,
      rotation_index: state.rotationIndex,
      auto_rotate: state.autoRotate,
      strategy,
      strategy_source: source,
      next: hangsOnSession(report) ? null : next,
      next_without_session: next,
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
    not_used: notUsed,
  };
}
