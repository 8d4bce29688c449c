import { join } from 'node:path';
import { type App, candidatesOf } from '../../../app.ts';
import type { Config } from '../../../config/settings.ts';
import { type Candidate, isReady } from '../../../core/choosing/eligibility.ts';
import { rotationInForce, type Strategy } from '../../../core/choosing/strategy.ts';
import { type ProxyProbe, proxyUrl } from '../../../daemon/probe.ts';
import type { SkippedFile } from '../../../keys/auth-entry.ts';
import type { CommandContext } from '../../command/context.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { savedHealth } from '../../keys/saved-health.ts';
import { asTold, foreignSettings } from '../../proxy/proxy-words.ts';
import { notUsedTexts } from '../../words/not-used-words.ts';
import { tokensOfToday } from '../tokens-today.ts';
import { labelOfNext } from './next-key.ts';

/** What `kmi status` looks at, at one moment. */
export type StatusReport = {
  readonly config: Config;
  /** Epoch ms. */
  readonly now: number;
  readonly probe: ProxyProbe;
  /** What a client is pointed at. */
  readonly url: string;
  /** Where the running proxy, and with it this report, has its settings from, when that is not this folder. */
  readonly foreign?: string | null;
  /** The proxy that answers keeps its state in another folder, so that keys and rotation shown here are not its own. */
  readonly isElsewhere?: boolean;
  readonly daemonLog: string;
  /** In the registry's order, with the last saved readings of their quota; the upstream is not asked. */
  readonly candidates: readonly Candidate[];
  /** Requests counted today, by label. */
  readonly today: ReadonlyMap<string, number>;
  /** Place of the active key; 0 when there are no keys. */
  readonly activeIndex: number;
  /** Label of the key that serves the next request without a session; null when none can. */
  readonly next: string | null;
  readonly state: {
    readonly activeKey: string | null;
    readonly rotationIndex: number;
    readonly autoRotate: boolean;
    /** Chosen with `kmi rotate auto --strategy`; null: as the setting says. */
    readonly strategy: Strategy | null;
    readonly lastHealthRefresh: number | null;
    readonly sessionMoves: { readonly count: number; readonly tokens: number };
  };
  readonly folderExists: boolean;
  readonly skipped: readonly SkippedFile[];
  /** What was written for kmi and is not used, a sentence each. */
  readonly notUsed: readonly string[];
};

export async function readReport(context: CommandContext, app: App, probing: Promise<ProxyProbe>): Promise<StatusReport> {
  const { config, loaded, proxy } = context;
  const now = app.clock();
  const [probe, health, today] = await Promise.all([probing, savedHealth(app), tokensOfToday(app)]);
  const stranger = proxy == null && probe.kind === 'running' ? (probe.about ?? null) : null;
  return {
    config: stranger === null ? config : asTold(config, stranger),
    now,
    probe,
    next: await labelOfNext(app, probe),
    isElsewhere: stranger !== null,
    url: proxyUrl(config),
    foreign: foreignSettings(context),
    daemonLog: join(loaded.config.stateDir, 'logs', 'proxy.out'),
    candidates: candidatesOf(app, health),
    today: new Map([...today].map(([label, { requests }]) => [label, requests])),
    activeIndex: activeIndexOf(app),
    state: app.store.state,
    folderExists: app.registry.folderExists,
    skipped: app.registry.skipped,
    notUsed: notUsedTexts(loaded.unused, app.registry.remarks, config.authsDir),
  };
}

/** The strategy in force, null for manual mode. A running proxy knows its own best. */
export function rotationOf({ probe, state, config }: Pick<StatusReport, 'probe' | 'state' | 'config'>): string | null {
  const about = probe.kind === 'running' ? probe.about : undefined;
  return about === undefined ? rotationInForce(state, config) : about.rotation;
}

/** Whether a request would be served now, as far as can be told without sending one. */
export function canServe({ candidates, now, isElsewhere, probe }: StatusReport): boolean {
  if (candidates.some((candidate) => isReady(candidate, now))) return true;
  return isElsewhere === true && probe.kind === 'running' && probe.keys.ready > 0;
}
