import { stat } from 'node:fs/promises';
import { type App, candidatesOf, openApp } from '../../../app.ts';
import type { Config } from '../../../config/settings.ts';
import { accountWeights } from '../../../core/choosing/account-weight.ts';
import { eligibilityOf } from '../../../core/choosing/eligibility.ts';
import { isMode, modeOf, type ProxyMode } from '../../../core/clients/proxy-mode.ts';
import { CONFIDENCE_WANTED } from '../../../core/trace/fairness.ts';
import { type CheckAnswer, hasPassed, judgeRotation, type RotationCheck } from '../../../core/trace/rotation-check.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { probeProxy, proxyOrigin } from '../../../daemon/probe.ts';
import { KmiError } from '../../../errors.ts';
import { parseTarget } from '../../../proxy/http/target.ts';
import { statePath } from '../../../state/store.ts';
import { TraceFollower } from '../../../trace/follow.ts';
import { tracePath } from '../../../trace/writer.ts';
import { lacksToken } from '../../clients/proxied-client.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { type Ending, ignoreBrokenPipe, untilSignalled } from '../../command/ending.ts';
import { decimalNumber, wholeNumber } from '../../command/numbers.ts';
import { openTraffic } from './traffic.ts';
import { renderCheckMode, renderE2e } from './view.ts';

export type E2eOptions = {
  readonly requests: number;
  /** Requests sent side by side. */
  readonly batch: number;
  /** Newest requests over which confidence is taken; null: all. */
  readonly window: number | null;
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

export const E2E_DEFAULTS: E2eOptions = {
  requests: 50,
  batch: 10,
  window: null,
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
    window: flags.window === undefined ? null : wholeNumber('--window', flags.window, { min: 1, max: 100_000 }),
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
 * Throws `no_keys`, `port_in_use`, `proxy_unreachable`, `bad_path`, `unauthorized`.
 */
export async function runE2e(context: CommandContext, options: E2eOptions): Promise<number> {
  ignoreBrokenPipe();
  const { config, err } = context;
  if (lacksToken(context)) {
    throw new KmiError('unauthorized', 'The proxy asks for a token, and no setting here holds it. Nothing was sent.', {
      hint: 'Set KMI_PROXY_TOKEN to the token the proxy was started with.',
    });
  }
  const app = await openApp(config, { environment: context.environment, warn: (message) => err(`kmi: ${message}`) });
  const ending = untilSignalled(INTERRUPTED_EXIT);
  let close = () => app.close();
  try {
    const { stop, ...proxy } = await proxyFor(app, options);
    close = stop;
    announce(context, app, options, proxy);
    if (!proxy.isOurs) await untilStateIsSeen(config, ending);
    const { check, mode } = await sendAndJudge(context, app, options, proxy, ending);
    report(context, check, mode, options, proxy);
    return ending.signal.aborted ? ending.exitCode() : Number(!hasPassed(check));
  } finally {
    await close();
    ending.stop();
  }
}

function announce({ err, errStyle: style }: CommandContext, app: App, { requests }: E2eOptions, { mode, words }: Proxy): void {
  if (mode !== null) err(renderCheckMode(mode, style));
  err(`${requests} requests go through the proxy.`);
  err(words);
  if (isRotating(app)) return;
  err(style.warn('Auto-rotation is off: all of them go to the active key.'));
}

function isRotating({ store, config }: App): boolean {
  return store.state.autoRotate && config.autoRotateAllowed;
}

type Proxy = {
  readonly origin: string;
  /** Started for this check. */
  readonly isOurs: boolean;
  /** What it says of itself; null: nothing. */
  readonly mode: ProxyMode | null;
  readonly words: string;
};

async function proxyFor(app: App, options: E2eOptions): Promise<Proxy & { stop: () => Promise<void> }> {
  const { config } = app;
  const origin = withScheme(proxyOrigin(config), options.scheme);
  const found = await probeProxy(config);
  switch (found.kind) {
    case 'running':
      return {
        origin,
        isOurs: false,
        mode: modeSaidBy(found),
        words: `Asking the proxy at ${origin} (pid ${found.pid}).`,
        stop: () => app.close(),
      };
    case 'nothing': {
      if (app.registry.keys.length === 0) throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
      const { serve } = await import('../../../serving/serve.ts');
      const serving = await serve(app);
      return {
        origin: withScheme(serving.proxy.origin, options.scheme),
        isOurs: true,
        mode: modeOf(config),
        words: `No proxy runs, so this check starts one at ${serving.proxy.origin}.`,
        stop: () => serving.stop(),
      };
    }
    case 'stranger':
      throw new KmiError('port_in_use', `Another program listens at ${origin} (it answered with ${found.answer}).`);
    case 'unreachable':
      throw new KmiError('proxy_unreachable', `The proxy at ${origin} does not answer (${found.reason}).`, {
        hint: 'See `kmi doctor`; `kmi restart` restarts the proxy.',
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
  { err, errStyle, config }: CommandContext,
  app: App,
  options: E2eOptions,
  { origin, mode: said }: Proxy,
  ending: Ending,
): Promise<{ readonly check: RotationCheck; readonly mode: ProxyMode | null }> {
  const path = `${config.proxyBasePath}${options.endpoint.startsWith('/') ? '' : '/'}${options.endpoint}`;
  const endpoint = parseTarget(path, config.proxyBasePath)?.endpoint;
  const traffic = await openTraffic(config, `${origin}${path}`, { timeoutMs: options.timeoutMs, signal: ending.signal });
  const now = app.clock();
  const candidates = candidatesOf(app);
  const ready = candidates.filter((candidate) => eligibilityOf(candidate, now).is === 'ready');
  const follower = await TraceFollower.open(tracePath(config.stateDir));
  const events: TraceEvent[] = [];
  let mode = said;
  const answers: CheckAnswer[] = [];
  const readTrace = async () => {
    for (const event of await follower.next()) {
      if (event.endpoint === endpoint && event.method === 'GET') events.push(event);
    }
  };
  try {
    const batches = Math.ceil(options.requests / options.batch);
    for (let n = 1; n <= batches && !ending.signal.aborted; n++) {
      const size = Math.min(options.batch, options.requests - answers.length);
      const batch = await Promise.all(Array.from({ length: size }, () => traffic.send()));
      if (ending.signal.aborted) break;
      answers.push(...batch);
      if (mode === null) {
        mode = modeShownBy(batch);
        if (mode !== null) err(renderCheckMode(mode, errStyle));
      }
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
  const weights = [...accountWeights(candidates)].map(([account, { weight }]) => [account, weight] as const);
  const accounts = candidates.flatMap(({ key, state }): [string, string][] =>
    state.account === null ? [] : [[key.label, state.account.id]],
  );
  const { window, minConfidence } = options;
  const labels = ready.map(({ key }) => key.label);
  const check = judgeRotation({
    answers,
    events,
    ready: labels,
    accountOf: new Map(accounts),
    weightOf: new Map(weights),
    window,
    minConfidence,
  });
  return { check, mode };
}

/** What the proxy says of itself where it is asked how it is. */
function modeSaidBy({ about }: { readonly kind: 'running'; readonly about?: { readonly mode: unknown } }): ProxyMode | null {
  return isMode(about?.mode) ? about.mode : null;
}

/** One that does not say it shows it by its answers. */
function modeShownBy(batch: readonly { readonly isDryRun?: boolean; readonly status?: number }[]): ProxyMode | null {
  const answered = batch.find(({ status }) => status !== undefined && status < 400);
  return answered === undefined ? null : modeOf({ dryRun: answered.isDryRun === true });
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

function report(
  { config, out, style, width }: CommandContext,
  check: RotationCheck,
  mode: ProxyMode | null,
  options: E2eOptions,
  proxy: Proxy,
): void {
  if (!options.json) {
    for (const line of renderE2e(check, { width, style, minConfidence: options.minConfidence })) out(line);
    return;
  }
  out(
    JSON.stringify({
      mode,
      proxy: { url: `${proxy.origin}${config.proxyBasePath}`, started: proxy.isOurs },
      round_robin: check.turns === null ? null : check.turns !== 'nobody',
      turns: check.turns,
      requests: { sent: check.sent, answered: check.answered, failed: check.sent - check.answered },
      failures: Object.fromEntries(check.failures),
      traced: check.traced,
      window: check.judged,
      distribution: Object.fromEntries(check.distribution.counts),
      passed_over: Object.fromEntries(check.passedOver.map(({ key, reasons }) => [key, reasons])),
      confidence: check.confidence,
      sole_key: check.sole,
      min_confidence: options.minConfidence,
      passed: hasPassed(check),
    }),
  );
}
