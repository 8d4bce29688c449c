import { join } from 'node:path';
import { findProxy } from '../../../daemon/find.ts';
import { type ProxyProbe, probeProxy } from '../../../daemon/probe.ts';
import type { ProxyRecord } from '../../../daemon/record.ts';
import { versionOf } from '../../../files/version.ts';
import type { CommandContext } from '../../command/context.ts';
import { ofRunningProxy } from '../../proxy/running-proxy.ts';
import type { WatchedProxy } from './screen.ts';

/** `/healthz` costs more than a look at all files. With a record of a living process it can only tell that it hangs. */
const PROBE_MS = 10_000;
const PROBE_WITHOUT_RECORD_MS = 3_000;
/** A busy machine may take so long to answer. */
const PROBE_TIMEOUT_MS = 2_000;

/** Follows the proxy of a state folder as it stops, starts and moves: by its records, its process, and now and then its `/healthz`. */
export class ProxyWatch {
  /** The context of this folder, whatever runs. */
  readonly #own: CommandContext;
  #context: CommandContext;
  #record: ProxyRecord | null;
  #seen: string | null | undefined = undefined;
  #probe: ProxyProbe | null = null;
  #probedAt = Number.NEGATIVE_INFINITY;
  #isProbing = false;
  #isStopped = false;

  constructor(context: CommandContext) {
    const { plain, noColor } = context.config;
    this.#own = { ...context, config: Object.freeze({ ...context.loaded.config, plain, noColor }) };
    this.#context = context;
    this.#record = context.proxy ?? null;
  }

  get now(): WatchedProxy {
    const record = this.#record;
    const probe = this.#probe;
    if (record !== null) {
      if (probe?.kind === 'unreachable') {
        return { is: 'unknown', pid: record.pid, why: `pid ${record.pid} does not answer (${probe.reason})` };
      }
      return { is: 'running', pid: record.pid, startedAt: record.startedAt };
    }
    switch (probe?.kind) {
      case 'running':
        return { is: 'running', pid: probe.pid, startedAt: Date.now() - probe.uptimeSeconds * 1000 };
      case 'stranger':
        return { is: 'unknown', pid: null, why: `another program answers at its address (${probe.answer})` };
      case 'unreachable':
        return { is: 'unknown', pid: null, why: `its address cannot be asked (${probe.reason})` };
      default:
        return { is: 'nothing' };
    }
  }

  /** Looks whether another proxy runs than before, and answers the context with its settings; null: nothing new to go by. */
  async look(): Promise<CommandContext | null> {
    const folder = join(this.#own.config.stateDir, 'proxies');
    const seen = await versionOf(folder).catch(() => null);
    const hasDied = this.#record !== null && !isAlive(this.#record.pid);
    const isNew = seen !== this.#seen;
    this.#probeSoon();
    if (!isNew && !hasDied) return null;
    this.#seen = seen;
    const record = await findProxy(this.#own.config);
    const pid = this.#record?.pid ?? null;
    this.#record = record;
    if (record === null || record.pid === pid) return null;
    this.#probe = null;
    this.#probedAt = performance.now();
    this.#context = await ofRunningProxy(this.#own);
    return this.#context;
  }

  stop(): void {
    this.#isStopped = true;
  }

  #probeSoon(): void {
    const everyMs = this.#record === null ? PROBE_WITHOUT_RECORD_MS : PROBE_MS;
    if (this.#isProbing || this.#isStopped || performance.now() - this.#probedAt < everyMs) return;
    this.#isProbing = true;
    this.#probedAt = performance.now();
    const record = this.#record;
    void probeProxy(this.#context.config, PROBE_TIMEOUT_MS).then((probe) => {
      this.#isProbing = false;
      // Asked of a proxy that has gone since, it says nothing.
      if (record === this.#record) this.#probe = probe;
    });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
