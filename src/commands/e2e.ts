import { stat } from 'node:fs/promises';
import { type App, candidatesOf, openApp, serve } from '../app.ts';
import type { Config } from '../config/settings.ts';
import { CONFIDENCE_WANTED } from '../core/evenness.ts';
import { type CheckAnswer, hasPassed, judgeRotation, type RotationCheck } from '../core/rotation-check.ts';
import { type Candidate, standingOf } from '../core/standing.ts';
import { strategyInForce } from '../core/strategy.ts';
import type { TraceEvent } from '../core/trace-event.ts';
import { probeProxy, proxyOrigin } from '../daemon/probe.ts';
import { KmiError } from '../errors.ts';
import { parseTarget } from '../proxy/target.ts';
import { statePath } from '../state/store.ts';
import { renderE2e } from '../terminal/e2e-view.ts';
import { renderMode } from '../terminal/mode-line.ts';
import { TraceFollower } from '../trace/follow.ts';
import { tracePath } from '../trace/writer.ts';
import type { Command, CommandContext } from './context.ts';
import { openTraffic } from './e2e-traffic.ts';
import { type Ending, ignoreBrokenPipe, untilSignalled } from './ending.ts';
import { decimalNumber, wholeNumber } from './numbers.ts';

export type E2eOptions = {
  readonly requests: number;
  /** Requests sent side by side. */
  readonly batch: number;
  /** Newest requests over which confidence is taken. */
  readonly window: number;
  /** Path below the base path. */
  readonly endpoint: string;
  /** Percent. */
  readonly minConfidence: number;
  readonly timeoutMs: number;
  /** Between two batches. */
  readonly pauseMs: number;
  /** null: as the proxy's certificate setting says. */
  readonly scheme: 'http' | 'https' | null;
  readonly json: boolean;
};

/** As KMI Manager has them (docs/kmi-manager.md#end-to-end-check). */
export const E2E_DEFAULTS: E2eOptions = {
  requests: 50,
  batch: 10,
  window: 50,
  endpoint: '/models',
  minConfidence: CONFIDENCE_WANTED,
  timeoutMs: 10_000,
  pauseMs: 500,
  scheme: null,
  json: false,
};

type Flags = { readonly json?: boolean } & Readonly<
  Partial<Record<'requests' | 'batch' | 'window' | 'endpoint' | 'minConfidence' | 'timeout' | 'pause' | 'scheme', string>>
>;

/** `kmi e2e`: requests through the proxy, and how they fell on the keys. */
export const run: Command<Flags> = async (context, flags) => runE2e(context, parseFlags(flags));

function parseFlags(flags: Flags): E2eOptions {
  const { scheme } = flags;
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    throw new KmiError('bad_usage', `--scheme ${scheme.slice(0, 40)}: takes http or https.`);
  }
  return {
    requests: wholeNumber('--requests', flags.requests ?? '50', { min: 1, max: 100_000 }),
    batch: wholeNumber('--batch', flags.batch ?? '10', { min: 1, max: 1000 }),
    window: wholeNumber('--window', flags.window ?? '50', { min: 1, max: 100_000 }),
    endpoint: flags.endpoint ?? E2E_DEFAULTS.endpoint,
    minConfidence: decimalNumber('--min-confidence', flags.minConfidence ?? '95', { min: 0, max: 100 }),
    timeoutMs: 1000 * decimalNumber('--timeout', flags.timeout ?? '10', { min: 0.001, max: 3600 }),
    pauseMs: 1000 * decimalNumber('--pause', flags.pause ?? '0.5', { min: 0, max: 3600 }),
    scheme: scheme ?? null,
    json: flags.json === true,
  };
}

const INTERRUPTED_EXIT = 130;

/**
 * Sends requests through the proxy, starting one for the time of the check when none runs, and says how they fell on
 * the keys. Exit code 0 when all were answered and, with auto-rotation on, evenly spread; 1 otherwise; 130 at Ctrl+C.
 * Throws `no_keys`, `port_in_use`, `proxy_unreachable`, `bad_path`.
 */
export async function runE2e(context: CommandContext, options: E2eOptions): Promise<number> {
  ignoreBrokenPipe();
  const { config, err } = context;
  const app = await openApp(config, { environment: context.environment, warn: (message) => err(`kmi: ${message}`) });
  const ending = untilSignalled(INTERRUPTED_EXIT);
  let close = () => app.close();
  try {
    announce(context, app, options);
    const { origin, isOurs, stop } = await proxyFor(app, options, context);
    close = stop;
    if (!isOurs) await untilStateIsSeen(config, ending);
    const check = await sendAndJudge(context, app, options, { origin, isOurs }, ending);
    report(context, check, options, { origin, isOurs });
    return ending.signal.aborted ? ending.exitCode() : Number(!hasPassed(check));
  } finally {
    await close();
    ending.stop();
  }
}

function announce({ config, err, errStyle: style }: CommandContext, app: App, { requests }: E2eOptions): void {
  err(renderMode(config, style));
  err(`${requests} requests go through the proxy.`);
  if (isRotating(app)) return;
  err(style.warn('Auto-rotation is off: all of them go to the active key, so their distribution will'));
  err(`${style.warn('say nothing.')} \`kmi rotate auto\` turns it on.`);
}

function isRotating({ store, config }: App): boolean {
  return store.state.autoRotate && config.autoRotateAllowed;
}

type Proxy = { readonly origin: string /** Started for this check. */; readonly isOurs: boolean };

async function proxyFor(app: App, options: E2eOptions, { err }: CommandContext): Promise<Proxy & { stop: () => Promise<void> }> {
  const { config } = app;
  const origin = withScheme(proxyOrigin(config), options.scheme);
  const found = await probeProxy(config);
  switch (found.kind) {
    case 'running':
      err(`The proxy at ${origin} (pid ${found.pid}) is asked.`);
      return { origin, isOurs: false, stop: () => app.close() };
    case 'nothing': {
      if (app.registry.keys.length === 0) throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
      const serving = await serve(app);
      err(`No proxy runs: one serves ${serving.proxy.origin} for this check.`);
      return { origin: withScheme(serving.proxy.origin, options.scheme), isOurs: true, stop: () => serving.stop() };
    }
    case 'stranger':
      throw new KmiError('port_in_use', `Another program listens at ${origin} (it answered with ${found.answer}).`);
    case 'unreachable':
      throw new KmiError('proxy_unreachable', `The proxy at ${origin} does not answer (${found.reason}).`, {
        hint: 'See `kmi doctor`; `kmi proxy-restart` starts it anew.',
      });
  }
}

function withScheme(origin: string, scheme: E2eOptions['scheme']): string {
  return scheme === null ? origin : origin.replace(/^https?/, scheme);
}

/** A proxy that runs sees a change of the state within this time. */
const SEEN_AFTER_MS = 1000;

/** Auto-rotation may have been turned on a moment ago, by `kmi rotate auto`; the running proxy must have noticed. */
async function untilStateIsSeen({ stateDir }: Config, ending: Ending): Promise<void> {
  const changed = await stat(statePath(stateDir)).catch(() => null);
  const ageMs = changed === null ? SEEN_AFTER_MS : Math.max(0, Date.now() - changed.mtimeMs);
  if (ageMs < SEEN_AFTER_MS) await ending.pause(SEEN_AFTER_MS - ageMs);
}

async function sendAndJudge(
  { err, config }: CommandContext,
  app: App,
  options: E2eOptions,
  { origin }: Proxy,
  ending: Ending,
): Promise<RotationCheck> {
  const path = `${config.proxyBasePath}${options.endpoint.startsWith('/') ? '' : '/'}${options.endpoint}`;
  const endpoint = parseTarget(path, config.proxyBasePath)?.endpoint;
  const traffic = await openTraffic(config, `${origin}${path}`, options.timeoutMs);
  const now = app.clock();
  const ready = candidatesOf(app).filter((candidate) => standingOf(candidate, now).is === 'ready');
  const { strategy } = strategyInForce(app.store.state.strategy, config.rotateStrategy);
  const taking = strategy === 'round-robin' ? ready : firstOfAccounts(ready);
  const follower = await TraceFollower.open(tracePath(config.stateDir));
  const events: TraceEvent[] = [];
  const answers: CheckAnswer[] = [];
  const readTrace = async () => {
    for (const event of await follower.next()) {
      if (event.endpoint === endpoint && event.method === 'GET') events.push(event);
    }
  };
  try {
    const batches = Math.ceil(options.requests / options.batch);
    let toldMode = false;
    for (let n = 1; n <= batches && !ending.signal.aborted; n++) {
      const size = Math.min(options.batch, options.requests - answers.length);
      const batch = await Promise.all(Array.from({ length: size }, () => traffic.send(ending.signal)));
      if (ending.signal.aborted) break;
      answers.push(...batch);
      if (!toldMode) toldMode = tellOtherMode(batch, config.dryRun, err);
      const failed = batch.filter((answer) => 'error' in answer || answer.status >= 400).length;
      err(
        `batch ${n}/${batches}: ${size - failed} answered${failed === 0 ? '' : `, ${failed} failed`}, ${answers.length}/${options.requests} sent`,
      );
      await readTrace();
      if (n < batches) await ending.pause(options.pauseMs);
    }
    await untilTraced(() => events.length >= answers.filter((answer) => 'status' in answer).length, readTrace);
  } finally {
    await follower.close();
  }
  return judgeRotation({ answers, events, ready: taking.map(({ key }) => key.label), ...options });
}

/** With `sticky` and `quota` requests without a session take turns account by account, and its first key that can serve answers. */
function firstOfAccounts(candidates: readonly Candidate[]): readonly Candidate[] {
  const seen = new Set<string>();
  return candidates.filter(({ state: { account } }) => {
    if (account === null) return true;
    const isFirst = !seen.has(account.id);
    seen.add(account.id);
    return isFirst;
  });
}

/** The proxy that runs goes by its own settings. */
function tellOtherMode(
  batch: readonly { readonly isDryRun?: boolean; readonly status?: number }[],
  dryRun: boolean,
  err: (line: string) => void,
): boolean {
  const answered = batch.find(({ status }) => status !== undefined && status < 400);
  if (answered === undefined || answered.isDryRun === dryRun) return false;
  err(
    answered.isDryRun === true
      ? 'The proxy that runs is in dry-run: it sends nothing to the upstream.'
      : 'The proxy that runs is live: these requests do go to the upstream.',
  );
  return true;
}

/** The trace is written behind the requests; lines that never come (a refused token) are not waited for long. */
const TRACE_WAIT_MS = 1500;
const TRACE_LOOK_MS = 25;

async function untilTraced(isComplete: () => boolean, readTrace: () => Promise<void>): Promise<void> {
  const until = performance.now() + TRACE_WAIT_MS;
  while (!isComplete() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, TRACE_LOOK_MS));
    await readTrace();
  }
}

function report({ config, out, style, width }: CommandContext, check: RotationCheck, options: E2eOptions, proxy: Proxy): void {
  if (!options.json) {
    for (const line of renderE2e(check, { width, style, minConfidence: options.minConfidence })) out(line);
    return;
  }
  out(
    JSON.stringify({
      mode: (check.isDryRun ?? config.dryRun) ? 'dry-run' : 'live',
      proxy: { url: `${proxy.origin}${config.proxyBasePath}`, started: proxy.isOurs },
      round_robin: check.isRotating,
      requests: { sent: check.sent, answered: check.answered, failed: check.sent - check.answered },
      failures: Object.fromEntries(check.failures),
      traced: check.traced,
      window: options.window,
      distribution: Object.fromEntries(check.distribution.counts),
      passed_over: Object.fromEntries(check.passedOver.map(({ key, reasons }) => [key, reasons])),
      confidence: check.confidence,
      min_confidence: options.minConfidence,
      passed: hasPassed(check),
    }),
  );
}
