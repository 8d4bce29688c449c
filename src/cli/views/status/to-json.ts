import { keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { strategyInForce } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import type { KeyStatus } from '../../../core/keys/key-status.ts';
import { renderTime } from '../../../state/schema.ts';
import { accountsToJson } from '../../keys/accounts-json.ts';
import { percent, windowsToJson } from '../../keys/quota-json.ts';
import { hangsOnSession } from './next-key.ts';
import { rotationOf, type StatusReport } from './report.ts';

/** What scripts read. A key counts under one heading only. */
export function statusToJson(report: StatusReport) {
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
    },
    upstream: config.upstreamBaseUrl,
    // `exhausted` is KMI Manager's name of `cooldown`.
    keys: { total: candidates.length, disabled: count('disabled'), blocked: count('blocked'), cooldown, exhausted: cooldown },
    accounts: accountsToJson(candidates),
    active_key: candidates[activeIndex]?.key.label ?? null,
    quota: candidates.map((candidate) => quotaOf(candidate, report)),
    rotation: {
      active_index: activeIndex,
      rotation_index: state.rotationIndex,
      auto_rotate: state.autoRotate,
      strategy,
      strategy_source: source,
      next: hangsOnSession(rotationOf(report)) ? null : next,
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

/** What the last reading said of a key. A window that was reset since says nothing any more. */
function quotaOf(candidate: StatusReport['candidates'][number], { now, today }: StatusReport) {
  const { key, health } = candidate;
  return {
    label: key.label,
    key_hash: key.hash,
    status: keyStatusOf(candidate, now),
    requests_today: today.get(key.label) ?? 0,
    read_at: renderTime(health?.fetchedAt ?? null),
    remaining_percent: percent(health?.usage?.remainingShare ?? null),
    windows: windowsToJson(health?.usage ?? null),
  };
}
