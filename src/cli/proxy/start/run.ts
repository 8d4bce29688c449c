import { type App, type AppOverrides, openApp } from '../../../app.ts';
import { isLoopbackHost } from '../../../config/kinds.ts';
import type { Config } from '../../../config/settings.ts';
import { zonedStamp } from '../../../core/text/zoned-time.ts';
import { examineDaemon } from '../../../daemon/examine.ts';
import { findProxy } from '../../../daemon/find.ts';
import { claimPidFile, removePidFile } from '../../../daemon/pid-file.ts';
import { proxyUrl } from '../../../daemon/probe.ts';
import { removeRecord, writeRecord } from '../../../daemon/record.ts';
import { KmiError } from '../../../errors.ts';
import { prepareHeap } from '../../../proxy/prepare-heap.ts';
import type { ServingApp } from '../../../serving/serve.ts';
import { VERSION } from '../../../version.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { wholeNumber } from '../../command/numbers.ts';
import { wrapPainted } from '../../ui/width.ts';
import { counted } from '../../words/key-words.ts';
import { renderMode } from '../../words/mode-line.ts';
import { unusedSettingText } from '../../words/not-used-words.ts';
import { forgetSecretVariables, redactCrashes } from '../crash.ts';
import { noKeys } from '../no-keys.ts';
import { atPort } from '../running-proxy.ts';
import { openSimulatedApp } from '../simulated-app.ts';
import { addressOf } from '../start-check.ts';
import { startInBackground } from '../start-proxy.ts';
import type { RequestLines } from './request-lines.ts';

type Options = {
  readonly foreground?: boolean;
  readonly daemon?: boolean;
  readonly detached?: boolean;
  readonly makeToken?: boolean;
  readonly json?: boolean;
  readonly port?: string;
  readonly quiet?: boolean;
  readonly simulateWithoutKeys?: boolean;
};

/** `kmi proxy`: starts the proxy in the background, or serves in this terminal until it is told to stop. */
export const run: Command<Options> = async (given, options) => {
  const { foreground = false, daemon = false, detached = false, makeToken = false, port, quiet = false } = options;
  const { json = false, simulateWithoutKeys = false } = options;
  if (foreground && daemon) throw new KmiError('bad_usage', '--daemon and --foreground cannot stand together.');
  if (foreground && json) {
    throw new KmiError('bad_usage', '--json is for the proxy in the background; `kmi trace --json` follows its requests.');
  }
  const settled = makeToken ? await (await import('../make-token.ts')).makeToken(given) : given;
  const givenPort = port === undefined ? null : wholeNumber('--port', port, { min: 1, max: 65_535 });
  const made = givenPort === null ? settled : { ...settled, config: atPort(settled.config, givenPort) };
  const context = detached ? withStamps(made) : made;
  if (detached) leaveFolder(context.config.stateDir);
  for (const unused of context.loaded.unused) {
    context.err(`${context.errStyle.warn('Not used')}: ${unusedSettingText(unused)}`);
  }
  if (!foreground) return startInBackground(context, { simulateWithoutKeys, port: givenPort, json });
  // The background proxy's output is its log; requests are in the trace.
  const lines = quiet || detached ? null : (await import('./request-lines.ts')).printRequests(context);
  try {
    return await serveHere(context, { simulateWithoutKeys, detached, lines, port: givenPort });
  } finally {
    await lines?.close();
  }
};

/** A process that stands in a folder keeps its disk from being unmounted, and is in the way when it is deleted. */
function leaveFolder(stateDir: string): void {
  for (const folder of [stateDir, '/']) {
    try {
      process.chdir(folder);
      return;
    } catch {
      // Gone or closed: the root is always there.
    }
  }
}

/** What the background proxy prints goes into a log, beside lines that have their time. */
function withStamps(context: CommandContext): CommandContext {
  return { ...context, err: (line) => context.err(`${stampOf(context)}${line}`) };
}

function stampOf({ config }: CommandContext): string {
  return `${zonedStamp(Date.now(), config.timezone)} `;
}

type Serving = {
  readonly simulateWithoutKeys: boolean;
  readonly detached: boolean;
  readonly lines: RequestLines | null;
  /** What `--port` gave. */
  readonly port: number | null;
};

async function serveHere(context: CommandContext, served: Serving): Promise<number> {
  const { simulateWithoutKeys, detached, lines } = served;
  const told: Pick<AppOverrides, 'onTrace'> = lines === null ? {} : { onTrace: lines.add };
  const { config, err, errStyle: style } = context;
  // What this process writes without our doing, such as Node's diagnostic reports, is for this user only, too.
  process.umask(0o077);
  const environment = { ...context.environment };
  forgetSecretVariables(process.env);
  const app = await openApp(config, { ...told, environment, warn: (message) => err(`kmi: ${message}`) });
  redactCrashes(app.secrets, () => (detached ? stampOf(context) : ''));
  if (app.registry.keys.length > 0) {
    const serving = await start(context, app);
    return serveUntilStopped(context, serving, { ...served, settings: config, about: describeKeys(context, app.registry) });
  }
  if (!simulateWithoutKeys) throw noKeys(config, app.registry);
  const simulated = await openSimulatedApp(config, { ...told, environment });
  try {
    const serving = await start(context, simulated.app);
    const about = [
      `${style.warn('Simulated upstream')}: there are no keys in ${config.authsDir}, so three made-up accounts answer.`,
      'To use your own, stop this and run `kmi up`, which asks as `kmi init` does.',
    ];
    return await serveUntilStopped(context, serving, { ...served, settings: simulated.app.config, about });
  } finally {
    await simulated.close();
  }
}

/** The proxy itself is loaded only where it is served, so that starting one in the background is quick. */
async function start(context: CommandContext, app: App): Promise<ServingApp> {
  const { serve } = await import('../../../serving/serve.ts');
  return serve(app).catch((error: unknown) => explainTakenPort(context, error));
}

/** A port that our own proxy holds is another matter than one held by a stranger. */
async function explainTakenPort(context: CommandContext, error: unknown): Promise<never> {
  if (!(error instanceof KmiError) || error.code !== 'port_in_use') throw error;
  const state = await examineDaemon(context.config);
  if (state.kind !== 'ours' && state.kind !== 'unproven') throw error;
  throw new KmiError('port_in_use', `A kmi proxy (pid ${state.pid}) already serves on ${addressOf(context)}.`, {
    hint: 'Use that one, stop it with `kmi stop`, or start this one elsewhere with --port.',
    cause: error,
  });
}

function describeKeys(
  { config, errStyle: style }: CommandContext,
  registry: { keys: readonly unknown[]; skipped: readonly unknown[] },
): string[] {
  const skipped = registry.skipped.length === 0 ? '' : `, ${registry.skipped.length} files skipped (see \`kmi doctor\`)`;
  return [renderMode(config, style), `${counted(registry.keys.length, 'key')}${skipped}.`];
}

async function serveUntilStopped(
  context: CommandContext,
  serving: ServingApp,
  {
    settings,
    about,
    lines: requests,
    port,
    detached,
  }: Serving & { readonly settings: Config; readonly about: readonly string[] },
): Promise<number> {
  const { config, cwd, loaded, err, errStyle: style } = context;
  const { proxy } = serving;
  const say = (line: string) => {
    for (const part of wrapPainted(line, process.stderr.columns ?? Number.POSITIVE_INFINITY)) err(part);
  };
  prepareHeap();
  const signals = stopSignals();
  const other = await findProxy(config);
  // Commands in any folder find it by these files, however it was started.
  const proxyListen = { host: config.proxyListen.host, port: proxy.port };
  const record = { version: VERSION, startedAt: Date.now(), folder: cwd, envFile: loaded.envFile, port };
  const claimed = await Promise.all([
    claimPidFile(config.stateDir, process.pid),
    writeRecord(config.stateDir, { ...record, settings: { ...settings, proxyListen } }),
  ]).then(
    () => true,
    () => false,
  );
  if (!claimed) err(style.warn(`${config.stateDir} cannot be written to: other kmi commands will not find this proxy.`));
  err(`${style.strong('kmi proxy')} serves ${style.accent(proxy.baseUrl)}`);
  for (const line of about) say(line);
  if (!isLoopbackHost(config.proxyListen.host)) err(style.warn('Other machines can reach this address.'));
  if (other !== null) {
    err(style.warn(`Another proxy of this state folder (pid ${other.pid}) serves ${proxyUrl(other.settings)}.`));
  }
  if (!detached) {
    say('Point a client at it: kmi kimi, kmi run -- claude, or eval "$(kmi env)"');
    say('Stop it: Ctrl+C, or kmi stop');
  }
  await signals.first;
  err('Stopping: open requests finish first. Ctrl+C again ends them.');
  await Promise.race([serving.stop(), signals.second.then(() => serving.kill())]);
  await requests?.close();
  await removePidFile(config.stateDir, process.pid).catch(() => undefined);
  await removeRecord(config.stateDir, process.pid).catch(() => undefined);
  err('Stopped.');
  return 0;
}

/** Resolves at the first and at the second SIGINT or SIGTERM from now on. */
function stopSignals(): { readonly first: Promise<void>; readonly second: Promise<void> } {
  const resolvers: (() => void)[] = [];
  const next = () => new Promise<void>((resolve) => resolvers.push(resolve));
  const signals = { first: next(), second: next() };
  // The listener stays: without one, Node ends the process at the next signal, and saves under way would be cut off.
  const onSignal = () => resolvers.shift()?.();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return signals;
}
