import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../core/text/time.ts';
import { type AccountSpec, SimulatedAccount } from './account.ts';
import type { Behaviour } from './behaviour.ts';
import type { Exchange } from './exchange.ts';
import { createHandler } from './handle.ts';
import { SimulatedOAuth } from './oauth.ts';
import type { OAuthBehaviour } from './oauth-behaviour.ts';
import { type ReceivedRequest, RequestRecord } from './record.ts';

export type { AccountSpec, SimulatedAccount } from './account.ts';
export type { Behaviour, UsagesView } from './behaviour.ts';
export { ERRORS, type ErrorName } from './errors.ts';
export type { TokenAnswer } from './oauth-record.ts';
export type { ReceivedRequest } from './record.ts';

export type SimulatorOptions = {
  accounts: readonly AccountSpec[];
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Drives quota windows, the prompt cache and the times in answers; delays are real. Default `Date.now`. */
  clock?: Clock;
  /** Default `/coding/v1`. */
  basePath?: string;
  /** Keep every request with its body in `received`; default true. */
  record?: boolean;
  /** Behaviour of all accounts, unless their spec says otherwise. */
  behaviour?: Partial<Behaviour>;
  /** Shorthand for `behaviour.enforceUserAgent`. */
  enforceUserAgent?: boolean;
  /** Behaviour of the authorisation server. */
  oauth?: Partial<OAuthBehaviour>;
};

export type Simulator = {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** `origin` and the base path. */
  readonly baseUrl: string;
  readonly port: number;
  /** Throws for an unknown name. */
  account(name: string): SimulatedAccount;
  addAccount(spec: AccountSpec): SimulatedAccount;
  /** The authorisation server: `/api/oauth/…` at `origin`. */
  readonly oauth: SimulatedOAuth;
  /** In order of arrival, without those to the authorisation server; empty with `record: false`. */
  readonly received: ReceivedRequest[];
  /** Requests not answered to the end yet. */
  readonly openResponses: number;
  /** TCP connections that are open. */
  readonly connections: number;
  /** TCP connections there have been. */
  readonly connectionsEver: number;
  /** Resets every connection, busy or idle. */
  resetConnections(): void;
  /** Resolves when the predicate holds; asked again at every arrival, complete body and end, also of the authorisation server's requests. Default 5000 ms, then rejects. */
  waitFor(predicate: (requests: readonly ReceivedRequest[]) => boolean, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
};

/**
 * Starts a simulated Kimi API (docs/kimi-api.md#endpoints) in this process. Rejects with the listen error when the port
 * cannot be had.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { host = '127.0.0.1', port = 0, clock = Date.now, basePath = '/coding/v1' } = options;
  const defaults: Partial<Behaviour> = {
    ...options.behaviour,
    ...(options.enforceUserAgent === undefined ? {} : { enforceUserAgent: options.enforceUserAgent }),
  };
  const accounts = createAccounts(defaults, clock);
  for (const spec of options.accounts) accounts.add(spec);
  const oauth = new SimulatedOAuth(accounts.byName, clock, options.oauth ?? {});
  const record = new RequestRecord(() => oauth.describe());
  const open = new Set<Exchange>();
  const sockets = new Set<Socket>();
  let connectionsEver = 0;
  const handler = createHandler({ basePath, clock, accounts, oauth, record, open, keepRequests: options.record ?? true });
  // Long streams and slow tests are the normal case: no time limit is the server's own.
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000, noDelay: true }, handler);
  server.on('connection', (socket) => {
    connectionsEver += 1;
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      record.changed();
    });
    record.changed();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  const resetConnections = () => {
    for (const exchange of open) exchange.markBroken();
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    origin,
    baseUrl: origin + basePath,
    port: address.port,
    account: accounts.byName,
    addAccount: accounts.add,
    oauth,
    received: record.received,
    get openResponses() {
      return open.size;
    },
    get connections() {
      return sockets.size;
    },
    get connectionsEver() {
      return connectionsEver;
    },
    resetConnections,
    waitFor: (predicate, timeoutMs = 5000) => record.waitFor(predicate, timeoutMs),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      resetConnections();
      await closed;
    },
  };
}

function createAccounts(defaults: Partial<Behaviour>, clock: Clock) {
  const byName = new Map<string, SimulatedAccount>();
  const byKey = new Map<string, SimulatedAccount>();
  const changeKeys = (account: SimulatedAccount, before: readonly string[], after: readonly string[]) => {
    for (const key of after) {
      const holder = byKey.get(key);
      if (holder !== undefined && holder !== account) throw new Error(`accounts ${holder.name} and ${account.name} share a key`);
    }
    for (const key of before) byKey.delete(key);
    for (const key of after) byKey.set(key, account);
  };
  return {
    add(spec: AccountSpec): SimulatedAccount {
      if (byName.has(spec.name)) throw new Error(`there are two accounts named ${spec.name}`);
      const account = new SimulatedAccount(spec, defaults, clock, changeKeys);
      changeKeys(account, [], account.keys);
      byName.set(spec.name, account);
      return account;
    },
    byName(name: string): SimulatedAccount {
      const account = byName.get(name);
      if (account === undefined) throw new Error(`the simulator has no account named ${name}`);
      return account;
    },
    byKey: (key: string) => byKey.get(key) ?? null,
  };
}
