import { type App, candidatesOf } from '../../../app.ts';
import { SECRET_SETTINGS } from '../../../config/settings.ts';
import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { whyOut } from '../../../core/choosing/no-key.ts';
import { strategyInForce } from '../../../core/choosing/strategy.ts';
import type { KimiClient } from '../../../core/clients/kimi-model.ts';
import { activeBlock, endsByRecheck } from '../../../core/keys/key-state.ts';
import { examineDaemon } from '../../../daemon/examine.ts';
import type { DaemonState } from '../../../daemon/judge.ts';
import { daemonOutputPath } from '../../../daemon/output-file.ts';
import { pidPath } from '../../../daemon/pid-file.ts';
import { proxyUrl } from '../../../daemon/probe.ts';
import type { ClientConfigFact } from '../../../doctor/checks-clients.ts';
import type { KeyFact } from '../../../doctor/checks-keys.ts';
import type { ListenerFact } from '../../../doctor/checks-proxy.ts';
import type { DoctorInput } from '../../../doctor/run.ts';
import { readCurrentAccount } from '../../../keys/current-account.ts';
import { readDefaultModel } from '../../../keys/default-model.ts';
import { kimiConfigPaths } from '../../../keys/kimi-config.ts';
import { findKimi } from '../../../launch/find-kimi.ts';
import { isOnPath } from '../../../launch/path-search.ts';
import { loginsFolder } from '../../../logins/login-store.ts';
import { quotaPath, readQuotaFile } from '../../../state/quota-readings.ts';
import { statePath } from '../../../state/store.ts';
import { VERSION } from '../../../version.ts';
import { describeClaudeSettings } from '../../clients/lead-client.ts';
import type { CommandContext } from '../../command/context.ts';
import { explainState } from '../../proxy/daemon-view.ts';
import { ownerOf } from '../../proxy/proxy-words.ts';
import { differences } from '../../proxy/running-proxy.ts';
import { addressOf } from '../../proxy/start-check.ts';
import { shortPath } from '../../ui/shown-path.ts';
import { outInWords } from '../../words/key-words.ts';
import { notUsedTexts } from '../../words/not-used-words.ts';
import { loginFacts } from './logins.ts';
import { notifyFact } from './notify.ts';

type Learned = Pick<DoctorInput, 'network' | 'rechecked'> & { readonly accounts: ReadonlyMap<string, string> };

/** What the parts of the program know, put together for the doctor. */
export async function gatherInput(context: CommandContext, app: App, learned: Learned): Promise<DoctorInput> {
  const { config, environment, loaded } = context;
  const { registry, store } = app;
  const now = app.clock();
  const [{ logPath }, { tracePath }, daemon, found, configs, logins] = await Promise.all([
    import('../../../log.ts'),
    import('../../../trace/writer.ts'),
    examineDaemon({ ...config, stateDir: loaded.config.stateDir }),
    findKimi({ environment }),
    readConfigs(context),
    loginFacts(context, app, learned.network),
  ]);
  // Files of logins are not those of the auths folder, and a client's own are none of ours to close.
  const skipped = registry.skipped.filter(({ file }) => !logins.broken.some((other) => other.file === file));
  return {
    config,
    envFile: loaded.envFile,
    notUsed: notUsedTexts(loaded.unused, registry.remarks, config.authsDir),
    envFileIsSecret: [...SECRET_SETTINGS].some((name) => loaded.sources[name].kind === 'file'),
    environment,
    version: VERSION,
    nodeVersion: process.versions.node,
    now,
    url: proxyUrl(config),
    keys: {
      folder: config.authsDir,
      folderExists: registry.folderExists,
      keys: candidatesOf(app).map((candidate) => keyFact(candidate, now, config.timezone)),
      skipped: skipped.map(({ file, detail }) => ({ file: shortPath(file, config.authsDir), detail })),
      accounts: accountsOf(app, learned.accounts),
    },
    logins,
    authFiles: [
      ...registry.keys.filter(({ login }) => login === undefined).map(({ source }) => source),
      ...skipped.map(({ file }) => file),
    ],
    upstreams: upstreamsOf(app),
    labelsAt: (baseUrl) => app.registry.keys.filter((key) => key.baseUrl === baseUrl).map(({ label }) => label),
    autoRotate: store.state.autoRotate,
    strategy: strategyInForce(store.state.strategy, config.rotateStrategy).strategy,
    listener: listenerFact(daemon, addressOf(context)),
    damagedQuota: (await readQuotaFile(config.stateDir)) === 'damaged' ? quotaPath(config.stateDir) : null,
    paths: {
      state: statePath(config.stateDir),
      quota: quotaPath(config.stateDir),
      trace: tracePath(config.stateDir),
      log: logPath(config.stateDir),
      daemonOutput: daemonOutputPath(config.stateDir),
      pid: pidPath(config.stateDir),
      logins: loginsFolder(config.stateDir),
    },
    clients: { found, configs },
    agents: await agentFacts(context),
    otherSettings: otherSettings(context),
    notify: await notifyFact(context),
    network: learned.network,
    rechecked: learned.rechecked,
  };
}

function otherSettings({ proxy, loaded, ...reader }: CommandContext): DoctorInput['otherSettings'] {
  if (proxy == null) return null;
  const isSimulated = proxy.settings.isSimulated === true;
  return { from: ownerOf(proxy, reader), variables: differences(proxy, loaded.config), isSimulated };
}

async function agentFacts(context: CommandContext): Promise<DoctorInput['agents']> {
  const { environment, config } = context;
  const [claude, hasCodex, hasOpenCode] = await Promise.all([
    describeClaudeSettings(context, proxyUrl(config)),
    isOnPath('codex', { environment }),
    isOnPath('opencode', { environment }),
  ]);
  return { claude, hasCodex, hasOpenCode };
}

/** What the state knows of accounts, and over it what was asked just now. */
function accountsOf({ registry, store }: App, learned: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const known = registry.keys.flatMap(({ label }): [string, string][] => {
    const account = store.keyState(label).account;
    return account === null ? [] : [[label, account.id]];
  });
  return new Map([...known, ...learned]);
}

function upstreamsOf({ registry, config }: App): readonly string[] {
  const used = new Set(registry.keys.filter(({ disabled }) => !disabled).map(({ baseUrl }) => baseUrl));
  return used.size === 0 ? [config.upstreamBaseUrl] : [...used];
}

function keyFact(candidate: Candidate, now: number, zone: string): KeyFact {
  const { key, state } = candidate;
  return {
    label: key.label,
    email: key.email,
    status: keyStatusOf(candidate, now),
    why: outInWords(candidate, now, zone),
    isClosed: isClosed(candidate, now),
    isLogin: key.login !== undefined,
    isExpired: whyOut(candidate, now)?.reason === 'login_expired',
    hasExpired: hasRunOut(state.block, now) || hasRunOut(state.cooldown, now),
  };
}

function isClosed({ key, state }: Candidate, now: number): boolean {
  const block = key.disabled ? null : activeBlock(state, now);
  return block !== null && !endsByRecheck(block);
}

/** A block or cooldown with an end that has passed. */
export function hasRunOut(penalty: { readonly until: number | null } | null, now: number): boolean {
  return penalty !== null && penalty.until !== null && penalty.until <= now;
}

function listenerFact(state: DaemonState, address: string): ListenerFact {
  switch (state.kind) {
    case 'ours':
      return { is: 'running', pid: state.pid, version: state.version };
    case 'stopped':
      return { is: 'stopped' };
    case 'crashed':
      return { is: 'stale', pid: state.pid };
    case 'draining':
    case 'elsewhere':
    case 'unproven':
      return { is: 'odd', ...explainState(state, address), blocks: false };
    case 'stranger':
    case 'silent':
      return { is: 'odd', ...explainState(state, address), blocks: true };
  }
}

async function readConfigs({
  config,
  environment,
}: CommandContext): Promise<{ readonly [Client in KimiClient]: ClientConfigFact }> {
  const facts: { [Client in KimiClient]: ClientConfigFact } = { 'kimi-cli': { is: 'missing' }, 'kimi-code': { is: 'missing' } };
  for (const { client, path } of kimiConfigPaths(environment)) {
    // A client may go wherever its user likes: the allowlist is for keys of ours.
    const account = await readCurrentAccount(path, { upstreamBaseUrl: config.upstreamBaseUrl, upstreamAllowlist: [] });
    if (account.kind === 'missing') continue;
    facts[client] =
      account.kind === 'unusable'
        ? { is: 'unusable', problem: account.problem }
        : {
            is: 'read',
            baseUrl: account.key.baseUrl,
            isKimi: (await readDefaultModel(path))?.isKimi ?? null,
            sendsToken: config.proxyToken === '' || account.key.value === config.proxyToken,
          };
  }
  return facts;
}
