import { durationText } from '../../core/text/duration.ts';
import type { DaemonState } from '../../daemon/judge.ts';
import { type Field, renderFields, viewWidth } from '../ui/panel.ts';
import type { Style } from '../ui/style.ts';
import { counted } from '../words/key-words.ts';

export type ProxyFacts = {
  /** What a client is pointed at. */
  readonly url: string;
  readonly pid: number;
  /** Where the daemon prints to. */
  readonly log: string;
  readonly keys: { readonly total: number; readonly ready: number } | null;
  readonly uptimeSeconds: number | null;
};

/** What a person needs of a proxy in the background: where it is, and what to do with it. */
export function renderProxyFacts(facts: ProxyFacts, { columns, style }: { columns: number; style: Style }): string[] {
  const { url, pid, log, keys, uptimeSeconds } = facts;
  const fields: Field[] = [
    { name: 'address', value: { text: url, paint: style.accent } },
    { name: 'pid', value: uptimeSeconds === null ? String(pid) : `${pid}, up ${durationText(uptimeSeconds * 1000, 'down')}` },
    ...(keys === null ? [] : [{ name: 'keys', value: `${counted(keys.total, 'key')}, ${keys.ready} ready` }]),
    { name: 'log', value: log },
    { name: 'client', value: 'kmi kimi, kmi run -- <command>, or eval "$(kmi env)"' },
    { name: 'stop', value: 'kmi stop' },
  ];
  return renderFields(fields, viewWidth(columns) - 2, style).map((line) => `  ${line}`);
}

export type Explained = {
  /** What was found. */
  readonly text: string;
  /** What to do about it. */
  readonly hint: string;
};

/** Words for everything that can be found at the proxy's address but the running proxy itself. `address` is host:port. */
export function explainState(state: Exclude<DaemonState, { kind: 'ours' }>, address: string): Explained {
  switch (state.kind) {
    case 'stopped':
      return { text: 'The proxy does not run.', hint: 'Start it with `kmi proxy`.' };
    case 'draining':
      return {
        text: `The proxy (pid ${state.pid}) is stopping: it takes no new requests and finishes the open ones.`,
        hint: 'Wait, or cut them off with `kmi stop -f`.',
      };
    case 'crashed':
      return {
        text: `The proxy does not run: its process ${state.pid} ended without being stopped (killed, crashed, or the machine restarted).`,
        hint: 'See `kmi logs --no-follow` for its last words; start it again with `kmi proxy`.',
      };
    case 'elsewhere':
      return {
        text: `Nothing listens on ${address}, but the process ${state.pid} named in proxy.pid is running. It is another program that reused the pid, or a proxy started with another KMI_PROXY_LISTEN.`,
        hint: 'A proxy at another address is stopped with the KMI_PROXY_LISTEN it was started with.',
      };
    case 'unproven':
      return {
        text: `A kmi proxy with pid ${state.pid} answers on ${address}, but ${doubtWords(state)}.`,
        hint: doubtHint(state),
      };
    case 'stranger':
      return {
        text: `Another program holds ${address} (it answered with ${state.answer}).`,
        hint: 'Stop that program, or use another port: `kmi config set KMI_PROXY_LISTEN 127.0.0.1:8080`.',
      };
    case 'silent':
      return {
        text: `${address} cannot be asked: ${state.reason}.`,
        hint: 'Another program may hold the port, or KMI_PROXY_LISTEN is wrong. A proxy that hangs must be ended by hand.',
      };
  }
}

type Unproven = Extract<DaemonState, { kind: 'unproven' }>;

function doubtWords({ doubt, recorded }: Unproven): string {
  switch (doubt) {
    case 'no_pid_file':
      return 'no proxy.pid says that it was started with this state folder';
    case 'other_pid':
      return `proxy.pid names the process ${recorded}`;
    case 'foreign':
      return 'its process belongs to another user';
    case 'other_machine':
      return 'the process of that number on this machine is none of ours; it may run in a container';
  }
}

function doubtHint({ doubt, pid }: Unproven): string {
  if (doubt === 'foreign') return 'That user can stop it.';
  if (doubt === 'other_machine') return 'Stop it where it was started.';
  return `Stop it with the KMI_STATE_DIR it was started with, or, if it is yours, with \`kill ${pid}\`.`;
}
