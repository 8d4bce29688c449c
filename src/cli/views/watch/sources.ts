import { join } from 'node:path';
import { type App, candidatesOf, openApp } from '../../../app.ts';
import { loadKeys, loginsOf } from '../../../app-keys.ts';
import type { Candidate } from '../../../core/choosing/eligibility.ts';
import { rotationInForce } from '../../../core/choosing/strategy.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import type { KeyHealth } from '../../../core/quota/key-health.ts';
import type { TraceEvent } from '../../../core/trace/trace-event.ts';
import { versionOf } from '../../../files/version.ts';
import { startKeyWatch } from '../../../keys/auth-watch.ts';
import type { Registry } from '../../../keys/registry.ts';
import { quotaPath } from '../../../state/quota-readings.ts';
import { tracePath } from '../../../trace/writer.ts';
import type { CommandContext } from '../../command/context.ts';
import { activeIndexOf } from '../../keys/active-key.ts';
import { savedHealth } from '../../keys/saved-health.ts';
import { type FollowedTrace, followTrace } from '../trace/following.ts';
import { type Happening, happeningOf, happeningsBetween } from './happening.ts';
import { ProxyWatch } from './proxy-watch.ts';
import type { Picture } from './screen.ts';

/** How often sources that report no changes are polled. */
export const LOOK_MS = 1_000;
/** Requests and happenings that are kept: a screen full, and the last minute's. */
const REQUESTS_KEPT = 2_000;
const HAPPENINGS_KEPT = 200;
const EARLIER = 1_000;
/** How long a request counts as one that has just come. */
const FRESH_MS = 3_000;
/** How long readings are gone by without reading them again. */
const REREAD_MS = 30_000;

/** The files of one state folder and one auths folder. */
type Files = {
  readonly app: App;
  readonly trace: FollowedTrace;
  readonly quotaVersion: string | null;
  stop(): Promise<void>;
};

/** What came since the last look. */
export type News = { readonly requests: readonly TraceEvent[]; readonly happenings: readonly Happening[] };

/** All that a watch looks at, and the picture made of it. Reads files, and now and then the proxy's `/healthz`. */
export class WatchSources {
  readonly #proxy: ProxyWatch;
  readonly #warn: (message: string) => void;
  #context: CommandContext;
  #files: Files;
  #registry: Registry;
  #health: ReadonlyMap<string, KeyHealth>;
  #candidates: readonly Candidate[] = [];
  /** Something the candidates are made of has changed. */
  #isStale = true;
  #quotaVersion: string | null;
  #quotaReadAt = performance.now();
  #picture: Picture;
  #freshUntil = 0;

  private constructor(context: CommandContext, proxy: ProxyWatch, opened: OpenedFiles, warn: (message: string) => void) {
    this.#context = context;
    this.#proxy = proxy;
    this.#warn = warn;
    this.#files = opened.files;
    this.#registry = opened.files.app.registry;
    this.#health = opened.health;
    this.#quotaVersion = opened.files.quotaVersion;
    const requests = opened.files.trace.earlier;
    const happenings = requests.flatMap((event) => happeningOf(event) ?? []).slice(-HAPPENINGS_KEPT);
    this.#watchFiles();
    this.#picture = this.#take(requests, happenings, new Set());
  }

  /** `warn` is told of what goes wrong and stops nothing. Throws `state_unusable` for a trace that cannot be read. */
  static async open(context: CommandContext, warn: (message: string) => void): Promise<WatchSources> {
    const opened = await openFiles(context, warn);
    return new WatchSources(context, new ProxyWatch(context), opened, warn);
  }

  get picture(): Picture {
    return this.#picture;
  }

  /** The context of the proxy that is watched. */
  get context(): CommandContext {
    return this.#context;
  }

  /** Looks at everything, and answers what has come. Throws `state_unusable` for a trace that cannot be read any more. */
  async look(): Promise<News> {
    const before = this.#picture;
    await this.#followProxy();
    const requests = await this.#files.trace.next();
    await this.#readQuota();
    const now = performance.now();
    if (requests.length > 0) this.#freshUntil = now + FRESH_MS;
    const fresh = requests.length > 0 ? new Set(requests) : now > this.#freshUntil ? new Set<TraceEvent>() : before.fresh;
    const scene = this.#take(before.requests, before.happenings, fresh);
    const happenings = [...requests.flatMap((event) => happeningOf(event) ?? []), ...happeningsBetween(before, scene)];
    this.#picture = {
      ...scene,
      requests: requests.length === 0 ? before.requests : [...before.requests, ...requests].slice(-REQUESTS_KEPT),
      happenings: happenings.length === 0 ? before.happenings : [...before.happenings, ...happenings].slice(-HAPPENINGS_KEPT),
    };
    return { requests, happenings };
  }

  async close(): Promise<void> {
    this.#proxy.stop();
    await this.#files.stop();
  }

  #take(requests: Picture['requests'], happenings: Picture['happenings'], fresh: Picture['fresh']): Picture {
    const { app } = this.#files;
    const { config } = this.#context;
    if (this.#isStale) {
      this.#isStale = false;
      // The states of the store go on changing; a picture stays as it is.
      const candidates = candidatesOf({ ...app, registry: this.#registry }, this.#health);
      this.#candidates = candidates.map((candidate) => ({ ...candidate, state: { ...candidate.state } }));
    }
    const proxy = this.#proxy.now;
    return {
      now: app.clock(),
      zone: config.timezone,
      mode: modeOf(config),
      candidates: this.#candidates,
      active: this.#registry.keys[activeIndexOf({ store: app.store, registry: this.#registry })]?.label ?? null,
      rotation: rotationInForce(app.store.state, config),
      pid: proxy.is === 'nothing' ? null : proxy.pid,
      proxy,
      requests,
      happenings,
      fresh,
    };
  }

  #watchFiles(): void {
    const { app } = this.#files;
    app.store.startWatching(LOOK_MS, () => {
      this.#isStale = true;
    });
    const keys = startKeyWatch({
      load: () => loadKeys(app.config),
      current: this.#registry,
      further: loginsOf(app.config),
      intervalMs: LOOK_MS,
      onChange: (registry) => {
        this.#registry = registry;
        this.#isStale = true;
      },
      onError: (error) => this.#warn(`The auths folder cannot be read (${String(error)}).`),
    });
    const { stop } = this.#files;
    this.#files = {
      ...this.#files,
      async stop() {
        keys.stop();
        await stop();
      },
    };
  }

  async #readQuota(): Promise<void> {
    const version = await versionOf(quotaPath(this.#context.config.stateDir)).catch(() => null);
    // A window that has reset since is full again, even before a new reading.
    const isOld = performance.now() - this.#quotaReadAt > REREAD_MS;
    if (version === this.#quotaVersion && !isOld) return;
    this.#quotaVersion = version;
    this.#quotaReadAt = performance.now();
    this.#health = await savedHealth({ ...this.#files.app, registry: this.#registry });
    this.#isStale = true;
  }

  /** A proxy that has come may have other folders than the one before. */
  async #followProxy(): Promise<void> {
    const context = await this.#proxy.look();
    if (context === null) return;
    const { config } = this.#context;
    this.#context = context;
    if (config.stateDir === context.config.stateDir && config.authsDir === context.config.authsDir) return;
    const opened = await openFiles(context, this.#warn);
    await this.#files.stop();
    this.#files = opened.files;
    this.#registry = opened.files.app.registry;
    this.#health = opened.health;
    this.#quotaVersion = opened.files.quotaVersion;
    this.#isStale = true;
    this.#watchFiles();
  }
}

type OpenedFiles = { readonly files: Files; readonly health: ReadonlyMap<string, KeyHealth> };

async function openFiles({ config, environment }: CommandContext, warn: (message: string) => void): Promise<OpenedFiles> {
  const [app, trace, quotaVersion] = await Promise.all([
    openApp(config, { environment, looksOn: true, warn }),
    followTrace(tracePath(config.stateDir), EARLIER),
    versionOf(quotaPath(config.stateDir)).catch(() => null),
  ]);
  const stop = async () => {
    await trace.close();
    await app.close();
  };
  return { files: { app, trace, quotaVersion, stop }, health: await savedHealth(app) };
}

/** The folder whose changes tell that a request was traced. */
export function traceFolder({ config }: CommandContext): string {
  return join(tracePath(config.stateDir), '..');
}
