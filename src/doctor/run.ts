import { dirname, join } from 'node:path';
import { tokenPath } from '../config/own-files.ts';
import type { Config } from '../config/settings.ts';
import type { Strategy } from '../core/choosing/strategy.ts';
import { type OutgoingProxy, shownProxy } from '../core/network/outgoing-proxy.ts';
import type { Obstacle } from '../files/access.ts';
import { readCertificate } from './certificate.ts';
import { type AgentFacts, checkAgents } from './checks-agents.ts';
import { type ClientFacts, checkClients } from './checks-clients.ts';
import { checkFiles, type FilesFacts } from './checks-files.ts';
import { checkKeys, type KeyFacts } from './checks-keys.ts';
import { checkLogins, type LoginFacts } from './checks-logins.ts';
import { checkNotify, type NotifyFact } from './checks-notify.ts';
import { checkOtherSettings, type OtherSettings } from './checks-other-settings.ts';
import { checkProxy, type ListenerFact } from './checks-proxy.ts';
import { checkRecheck, type RecheckFact } from './checks-recheck.ts';
import { checkSetup } from './checks-setup.ts';
import { checkClock, checkOutgoingProxies, checkUpstreams, type UpstreamCall } from './checks-upstream.ts';
import { filesIn, lookAt, lookAtAll, obstaclesAt, whyNotWritable, withRotated } from './file-facts.ts';
import { type Finding, SECTIONS } from './finding.ts';
import { outgoingProxies } from './outgoing-proxies.ts';
import { type Get, reachUpstream } from './reach.ts';
import { pickRepairs, type Repair } from './repairs.ts';

/** What the parts of the program know; the rest the doctor looks up itself. */
export type DoctorInput = {
  readonly config: Config;
  readonly envFile: string | null;
  /** What was written for kmi and is not used, a sentence each. */
  readonly notUsed: readonly string[];
  /** The env file holds a secret, such as the proxy token. */
  readonly envFileIsSecret: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly nodeVersion: string;
  /** Epoch ms. */
  readonly now: number;
  /** What a client is pointed at. */
  readonly url: string;
  readonly keys: KeyFacts;
  readonly logins: LoginFacts;
  /** Every auth file, those that give no key included; none of logins. */
  readonly authFiles: readonly string[];
  /** Base URLs the keys are sent to. */
  readonly upstreams: readonly string[];
  /** The keys that are sent to a base URL. */
  readonly labelsAt: (baseUrl: string) => readonly string[];
  readonly autoRotate: boolean;
  readonly strategy: Strategy;
  readonly listener: ListenerFact;
  /** `quota.json` when it is damaged. */
  readonly damagedQuota: string | null;
  readonly paths: { readonly [File in 'state' | 'quota' | 'trace' | 'log' | 'daemonOutput' | 'pid' | 'logins']: string };
  readonly clients: Pick<ClientFacts, 'found' | 'configs'>;
  readonly agents: AgentFacts;
  readonly otherSettings: OtherSettings | null;
  readonly notify: NotifyFact | null;
  /** How the upstream is asked; null: it is not. */
  readonly network: Network | null;
  /** What a recheck of the keys gave, by label; null when none was asked for. */
  readonly rechecked: ReadonlyMap<string, RecheckFact> | null;
};

export type Network = {
  readonly get: Get;
  /** The outgoing proxy for an origin; null: none. */
  readonly proxyFor: (origin: string) => OutgoingProxy | null;
};

export type Examination = { readonly findings: readonly Finding[]; readonly repairs: readonly Repair[] };

/** Gathers the facts and puts every check to them. Changes nothing. Never throws for what it examines. */
export async function examine(input: DoctorInput): Promise<Examination> {
  const { config, environment, now, url, keys, upstreams, listener, version } = input;
  const [files, calls, certificate] = await Promise.all([gatherFiles(input), callUpstreams(input), readCertificate(config)]);
  const proxies = outgoingProxies(config, environment);
  const findings = [
    ...checkSetup(input),
    ...checkNotify(input.notify),
    checkClock({ now, upstreamDate: dateOf(calls), stateChangedAt: files.state?.changedAt ?? null }),
    ...checkKeys(keys),
    ...checkRecheck(input.rechecked),
    ...checkLogins(input.logins),
    ...checkProxy({
      config,
      url,
      version,
      listener,
      certificate,
      upstreams,
      outgoingProxies: proxies,
      now,
    }),
    ...checkOtherSettings(input.otherSettings),
    ...checkFiles(files),
    ...checkOutgoingProxies(proxies),
    ...checkUpstreams(calls),
    ...checkClients({ ...input.clients, environment, url, token: config.proxyToken }),
    ...checkAgents(input.agents),
  ];
  const order = (finding: Finding) => SECTIONS.indexOf(finding.section);
  return {
    findings: findings.toSorted((a, b) => order(a) - order(b)),
    repairs: pickRepairs({ ...files, listener, keys: keys.keys }),
  };
}

async function gatherFiles({
  config,
  envFile,
  envFileIsSecret,
  authFiles,
  paths,
  damagedQuota,
}: DoctorInput): Promise<FilesFacts> {
  const { stateDir, authsDir, enforceFilePerms } = config;
  const [stateFiles, loginFiles, appended, state, trace, log, stateDirProblem] = await Promise.all([
    withRotated(paths.state),
    filesIn(paths.logins),
    Promise.all([paths.trace, paths.log, paths.daemonOutput].map(withRotated)),
    lookAt(paths.state),
    lookAt(paths.trace),
    lookAt(paths.log),
    whyNotWritable(stateDir),
  ]);
  const privatePaths = await lookAtAll([
    authsDir,
    ...authFiles,
    ...(envFile !== null && envFileIsSecret ? [envFile] : []),
    stateDir,
    ...stateFiles,
    paths.quota,
    paths.pid,
    tokenPath(stateDir),
    paths.logins,
    ...loginFiles,
    ...appended.flat(),
  ]);
  const corrupt = stateFiles.filter((path) => path.startsWith(`${paths.state}.corrupt.`));
  const written = [
    ...stateFiles,
    ...appended.flat(),
    dirname(paths.trace),
    dirname(paths.log),
    join(stateDir, 'usage'),
    join(stateDir, 'proxies'),
    paths.logins,
  ];
  const obstacles = [
    ...obstaclesAt(written, [stateDir], 'write'),
    ...obstaclesAt([paths.pid, paths.quota, tokenPath(stateDir), ...loginFiles], [stateDir], 'read'),
    ...obstaclesAt([authsDir, ...authFiles], [authsDir], 'read'),
  ];
  return {
    stateDir,
    stateDirProblem,
    obstacles: withoutThat(obstacles, stateDirProblem),
    state,
    corrupt,
    damagedQuota,
    trace,
    log,
    privatePaths,
    enforceFilePerms,
  };
}

/** A closed state folder is the matter for all that is in it. */
function withoutThat(obstacles: readonly Obstacle[], said: Obstacle | null): readonly Obstacle[] {
  return obstacles.filter(({ text }) => text !== said?.text);
}

/** More upstreams than a person has, and few enough to wait for. */
const UPSTREAMS_MAX = 8;

async function callUpstreams({ network, upstreams, labelsAt }: DoctorInput): Promise<readonly UpstreamCall[] | null> {
  if (network === null) return null;
  return Promise.all(
    upstreams.slice(0, UPSTREAMS_MAX).map(async (baseUrl) => {
      const proxy = network.proxyFor(new URL(baseUrl).origin);
      const fact = await reachUpstream(baseUrl, { get: network.get, viaProxy: proxy !== null });
      return { baseUrl, labels: labelsAt(baseUrl), via: proxy === null ? null : nameOf(proxy), fact };
    }),
  );
}

/** Without the credentials that may stand before it. */
function nameOf(proxy: OutgoingProxy): string {
  return 'problem' in proxy ? proxy.variable : `${shownProxy(proxy)} (${proxy.variable})`;
}

function dateOf(calls: readonly UpstreamCall[] | null): number | null {
  for (const { fact } of calls ?? []) if (fact.reached === 'answer' && fact.date !== null) return fact.date;
  return null;
}
