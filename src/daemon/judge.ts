import type { ProxyProbe } from './probe.ts';
import type { Aliveness } from './processes.ts';

/** What is known of the process the pid file names. */
export type Recorded = {
  readonly pid: number;
  readonly aliveness: Aliveness;
  /** Null where the system does not show it. */
  readonly commandLine: string | null;
  /** It holds the socket that listens on the proxy's port; null where the system does not show it. */
  readonly isListener: boolean | null;
  /** It was proven to be the proxy, told to stop, and is the same process still. */
  readonly isStopping: boolean;
};

/** Why a proxy that answers is not proven to be the one that may be signalled. */
export type Doubt = 'no_pid_file' | 'other_pid' | 'foreign' | 'other_machine';

/** Where the proxy of this configuration stands. Only `ours` and `draining` may be signalled. */
export type DaemonState =
  /** Proven by pid file and `/healthz`. */
  | { readonly kind: 'ours'; readonly pid: number; readonly version: string; readonly uptimeSeconds: number }
  /** Told to stop, it takes no new connections and lets open requests finish. */
  | { readonly kind: 'draining'; readonly pid: number }
  /** Nothing listens and no pid is on record. */
  | { readonly kind: 'stopped' }
  /** Nothing listens; the process on record ended without cleaning up: killed, crashed or the machine restarted. */
  | { readonly kind: 'crashed'; readonly pid: number }
  /** Nothing listens; the process on record lives: the number was given away again, or its proxy has another address. */
  | { readonly kind: 'elsewhere'; readonly pid: number }
  /** A kmi proxy answers, and it is not the process on record. */
  | {
      readonly kind: 'unproven';
      readonly pid: number;
      readonly recorded: number | null;
      readonly doubt: Doubt;
      readonly version: string;
      readonly uptimeSeconds: number;
    }
  /** Another program holds the port. */
  | { readonly kind: 'stranger'; readonly answer: string }
  /** Somebody may hold the port, but says nothing. */
  | { readonly kind: 'silent'; readonly reason: string };

/** Decides from the pid file and the answer of `/healthz` whose process holds the proxy's address. */
export function judgeDaemon(probe: ProxyProbe, recorded: Recorded | null): DaemonState {
  switch (probe.kind) {
    case 'running': {
      const { pid, version, uptimeSeconds } = probe;
      const doubt = doubtOf(pid, recorded);
      return doubt === null
        ? { kind: 'ours', pid, version, uptimeSeconds }
        : { kind: 'unproven', pid, recorded: recorded?.pid ?? null, doubt, version, uptimeSeconds };
    }
    case 'nothing':
      if (recorded === null) return { kind: 'stopped' };
      if (recorded.aliveness === 'gone') return { kind: 'crashed', pid: recorded.pid };
      return { kind: recorded.isStopping ? 'draining' : 'elsewhere', pid: recorded.pid };
    case 'stranger':
      return { kind: 'stranger', answer: probe.answer };
    case 'unreachable':
      return { kind: 'silent', reason: probe.reason };
  }
}

function doubtOf(pid: number, recorded: Recorded | null): Doubt | null {
  if (recorded === null) return 'no_pid_file';
  if (recorded.pid !== pid) return 'other_pid';
  if (recorded.aliveness === 'foreign') return 'foreign';
  // A proxy in a container may answer here and keep its files here, but its pid is only valid inside the container.
  // The answer may also lie: if it names the pid of another program, that program must not be killed.
  const { aliveness, commandLine, isListener } = recorded;
  return aliveness === 'gone' || isListener === false || (commandLine !== null && !/\bproxy\b/.test(commandLine))
    ? 'other_machine'
    : null;
}
