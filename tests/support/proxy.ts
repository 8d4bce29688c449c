import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AppOverrides, openApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/settings.ts';
import type { TraceEvent } from '../../src/core/trace/trace-event.ts';
import { type ServingApp, serve } from '../../src/serving/serve.ts';
import type { AccountSpec, ReceivedRequest, Simulator } from '../../src/simulator/simulator.ts';
import { type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { type TemporaryHome, temporaryHome } from './home.ts';
import { type Answer, open, type SendOptions, send } from './http-client.ts';
import { type RunningKmi, startKmi } from './spawn.ts';

export type TestProxyOptions = {
  /** Accounts of the simulator; each has one key, in an auth file of its name. Default: a. */
  readonly accounts?: readonly (string | (Omit<AccountSpec, 'keys'> & { readonly keys?: readonly string[] }))[];
  readonly simulator?: Partial<SimulatorOptions>;
  /** Environment variables, over the tests' own: live, no health calls, the simulator as upstream. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Values no variable can hold, such as parts of a second. In process only. */
  readonly config?: Partial<Config>;
  /** Clock and the like. In process only. `/me` is not asked unless `learnAccounts` is true here: tests count calls. */
  readonly app?: AppOverrides;
  readonly autoRotate?: boolean;
  /** Text of `state.json` before the start; goes before `autoRotate`. */
  readonly state?: string;
  /** Writes the auth files in the test's own way. */
  readonly writeKeys?: (home: TemporaryHome, simulator: Simulator) => Promise<void>;
  readonly home?: TemporaryHome;
};

/** A key's entry of `state.json`. */
export type StoredKey = {
  readonly request_count: number;
  readonly error_401: number;
  readonly error_403: number;
  readonly error_429: number;
  readonly error_5xx: number;
  readonly exhausted_until: string | null;
  readonly exhausted_reason?: string;
  readonly blocked_until: string | null;
  readonly blocked_reason: string | null;
  readonly account_id?: string;
};

export type StoredState = {
  readonly active_key: string | null;
  readonly active_index: number;
  readonly rotation_index: number;
  readonly auto_rotate: boolean;
  readonly session_moves?: number;
  readonly session_move_tokens?: number;
  readonly keys: Readonly<Record<string, StoredKey>>;
};

export type TestProxy = {
  readonly home: TemporaryHome;
  readonly simulator: Simulator;
  /** With the base path. */
  readonly url: string;
  readonly port: number;
  send(path: string, options?: SendOptions): Promise<Answer>;
  /** A chat completion. */
  chat(extra?: object, options?: SendOptions): Promise<Answer>;
  /** What the simulator got, without health calls. */
  calls(): readonly ReceivedRequest[];
  /** The accounts of those calls, in order. */
  served(): string;
  /** `state.json`, as soon as the predicate holds for it. */
  state(holds?: (state: StoredState) => boolean): Promise<StoredState>;
  /** Trace lines, as soon as there are so many. */
  trace(count: number): Promise<readonly TraceEvent[]>;
  /** The app's log, as soon as it holds the text. */
  log(holds?: string): Promise<string>;
};

export type InProcessProxy = TestProxy & { readonly serving: ServingApp };
export type BinaryProxy = TestProxy & { readonly kmi: RunningKmi };

export const keyOf = (account: string) => `sk-kimi-${account}-0123456789abcdef`;

export function chatBody(extra: object = {}): string {
  return JSON.stringify({ model: 'kimi-for-coding', messages: [{ role: 'user', content: 'Say hello' }], ...extra });
}

/** The proxy in this process: fast, for many cases. Ends with the test file. */
export async function startTestProxy(options: TestProxyOptions = {}): Promise<InProcessProxy> {
  const prepared = await prepare(options);
  const { environment } = prepared;
  const { config } = loadConfig(environment, prepared.home.root);
  const app = await openApp({ ...config, ...options.config }, { environment, learnAccounts: false, ...options.app });
  const serving = await serve(app);
  cleanUp(() => serving.kill());
  const { baseUrl, port } = serving.proxy;
  return { ...testProxy(prepared, baseUrl, port, () => app.store.save()), serving };
}

/** The built binary as a process of its own: `kmi proxy --foreground`. Ends with the test file. */
export async function startBinaryProxy(options: Omit<TestProxyOptions, 'config' | 'app'> = {}): Promise<BinaryProxy> {
  const prepared = await prepare(options);
  const { home } = prepared;
  const kmi = await startKmi(['proxy', '--foreground'], { env: prepared.environment, cwd: home.root });
  const [, url = ''] = await kmi.waitForOutput(/serves (\S+)/);
  return { ...testProxy(prepared, url, Number(new URL(url).port), async () => undefined), kmi };
}

type Prepared = {
  readonly home: TemporaryHome;
  readonly simulator: Simulator;
  readonly environment: Readonly<Record<string, string>>;
};

async function prepare(options: TestProxyOptions): Promise<Prepared> {
  const home = options.home ?? (await temporaryHome());
  const accounts = (options.accounts ?? ['a']).map((account): AccountSpec => {
    const spec = typeof account === 'string' ? { name: account } : account;
    return { ...spec, keys: spec.keys ?? [keyOf(spec.name)] };
  });
  const simulator = await startSimulator({ accounts, ...options.simulator });
  cleanUp(() => simulator.close());
  if (options.writeKeys !== undefined) await options.writeKeys(home, simulator);
  else {
    for (const { name, keys } of accounts) for (const key of keys) await home.addKey({ label: name, key });
  }
  const state = options.state ?? (options.autoRotate === true ? '{"schema_version":1,"auto_rotate":true,"keys":{}}' : null);
  if (state !== null) {
    await mkdir(home.stateDir, { recursive: true });
    await writeFile(join(home.stateDir, 'state.json'), state);
  }
  const environment = {
    ...home.env,
    KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
    KMI_DRY_RUN: '0',
    KMI_USAGE_CACHE_SECONDS: '0',
    KMI_TIMEZONE: 'UTC',
    ...(options.autoRotate === true ? { KMI_AUTO_ROTATE_ALLOWED: '1' } : {}),
    ...options.settings,
  };
  return { home, simulator, environment };
}

function testProxy({ home, simulator }: Prepared, url: string, port: number, save: () => Promise<void>): TestProxy {
  const sendTo = (path: string, options: SendOptions = {}) => send(url + path, options);
  const calls = () => simulator.received.filter(({ path }) => !/\/(?:usages|me)$/.test(path));
  return {
    home,
    simulator,
    url,
    port,
    send: sendTo,
    chat: (extra, options = {}) =>
      sendTo('/chat/completions', {
        ...options,
        headers: { 'content-type': 'application/json', ...options.headers },
        body: options.body ?? chatBody(extra),
      }),
    calls,
    served: () =>
      calls()
        .map(({ account }) => account ?? '?')
        .join(' '),
    state: (holds = () => true) =>
      eventually(async () => {
        await save();
        const state = JSON.parse(await readFile(join(home.stateDir, 'state.json'), 'utf8')) as StoredState;
        if (!holds(state)) throw new Error(`The state never became what was waited for: ${JSON.stringify(state)}`);
        return state;
      }),
    trace: (count) =>
      eventually(async () => {
        const lines = (await readFile(join(home.stateDir, 'trace', 'trace.jsonl'), 'utf8')).trim().split('\n');
        if (lines.length < count) throw new Error(`The trace has ${lines.length} of ${count} lines.`);
        return lines.map((line) => JSON.parse(line) as TraceEvent);
      }),
    log: (holds = '') =>
      eventually(async () => {
        const text = await readFile(join(home.stateDir, 'logs', 'kmi.log'), 'utf8');
        if (!text.includes(holds)) throw new Error(`The log never said "${holds}":\n${text}`);
        return text;
      }),
  };
}

/** Opens a streamed chat and leaves the reading to the test. */
export function openChat(proxy: TestProxy, extra: object = {}, options: SendOptions = {}) {
  return open(`${proxy.url}/chat/completions`, {
    headers: { 'content-type': 'application/json' },
    body: chatBody({ stream: true, ...extra }),
    ...options,
  });
}
