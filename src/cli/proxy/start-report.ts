import type { ProxyMode } from '../../core/clients/proxy-mode.ts';
import type { CommandContext } from '../command/context.ts';
import { type ProxyFacts, renderProxyFacts } from './daemon-view.ts';

export type StartReport = {
  /** This command started it; false: it ran already. */
  readonly isStarted: boolean;
  readonly version: string;
  readonly mode: ProxyMode;
  readonly facts: ProxyFacts;
};

/** Says on standard output which proxy runs in the background now; with `json` as one JSON value, for scripts. */
export function sayProxy(context: CommandContext, headline: string, report: StartReport, json: boolean): void {
  const { out, style, width } = context;
  if (json) {
    out(JSON.stringify(toJson(report), null, 2));
    return;
  }
  out(`${style.strong('kmi proxy')} ${headline}`);
  for (const line of renderProxyFacts(report.facts, { columns: width, style })) out(line);
}

function toJson({ isStarted, version, mode, facts }: StartReport) {
  return {
    started: isStarted,
    url: facts.url,
    pid: facts.pid,
    version,
    mode,
    uptime_seconds: facts.uptimeSeconds ?? 0,
    keys: facts.keys === null ? null : { total: facts.keys.total, ready: facts.keys.ready },
    log: facts.log,
  };
}
