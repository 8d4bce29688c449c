import type { App } from '../app.ts';
import type { TraceEvent } from '../core/trace/trace-event.ts';
import { loadDryRun } from '../dry-run.ts';
import type { Log } from '../log.ts';
import { KeyPool } from '../proxy/pool/key-pool.ts';
import { DeferredWork } from '../proxy/record/deferred-work.ts';
import { type RunningProxy, startProxy } from '../proxy/server.ts';
import { AffinityFiles } from '../state/affinity-files.ts';
import { withFileLock } from '../state/file-lock.ts';
import { QuotaFile } from '../state/quota-file.ts';
import { TraceWriter, tracePath } from '../trace/writer.ts';
import { UsageLedger } from '../usage/usage-ledger.ts';

/** The proxy, listening, and what it writes to. */
export type Serving = {
  readonly proxy: RunningProxy;
  readonly pool: KeyPool;
  readonly log: Log;
  readonly trace: TraceWriter;
  readonly usage: UsageLedger;
  readonly affinityFiles: AffinityFiles;
  readonly quotaFile: QuotaFile;
};

/** Builds the proxy in dependency order and binds it. Throws `unsafe_bind`, `port_in_use`, `loop`. */
export async function buildProxy(app: App): Promise<Serving> {
  const { config, clock, environment, ledger } = app;
  const [log, dryRun] = await Promise.all([app.log(), loadDryRun(config, clock)]);
  const { stateDir, traceMaxMb: maxMb, traceBackups: backups } = config;
  const trace = new TraceWriter({ path: tracePath(stateDir), maxMb, backups, log });
  const deferred = new DeferredWork();
  const pool = new KeyPool({ config, ledger, log, clock, deferred }, app.registry.keys);
  const affinityFiles = new AffinityFiles({
    stateDir,
    memory: pool.affinityStore,
    onMerged: () => pool.nameAccounts(),
    log,
  });
  const quotaFile = new QuotaFile({ stateDir, clock, log });
  await Promise.all([affinityFiles.sync(), quotaFile.sync()]);
  const usage = new UsageLedger({ stateDir, zone: config.timezone, clock, lock: withFileLock, log });
  const record = (event: TraceEvent) => {
    trace.record(event);
    app.overrides.onTrace?.(event);
  };
  const parts = { config, pool, ledger, trace: { record }, usage, log, clock, environment, deferred, dryRun };
  return { proxy: await startProxy(parts), pool, log, trace, usage, affinityFiles, quotaFile };
}
