/** What the pictures of the README show: the built kmi in a terminal, live, in front of a simulated Kimi API, with work behind it. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startSimulator } from '../src/simulator/simulator.ts';

export const COLUMNS = 100;
/** Long enough for a busy proxy to start and for a slow machine to draw. */
const PATIENCE_MS = 60_000;
const run = promisify(execFile);

const LABELS = ['work', 'home', 'spare'] as const;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Of 1,000 in 5 hours and 10,000 a week. */
const USED = { work: [891, 5604], home: [412, 3120], spare: [87, 1208] } as const;
/** Turns of two coding agents, each with a long system prompt. */
const TURNS: readonly (readonly [agent: string, prompt: string])[] = [
  ['pine', 'Fix the failing date test'],
  ['birch', 'Explain the retry loop'],
  ['pine', 'Run the tests again'],
  ['birch', 'Rename it to backoff'],
  ['pine', 'Commit that'],
  ['birch', 'Add a test for jitter'],
  ['pine', 'Now update the changelog'],
  ['pine', 'Why does CI still fail?'],
  ['birch', 'Review the last commit'],
  ['pine', 'Pin the time zone then'],
];

export type Stage = {
  /** The screen with its colours once `kmi <args>` shows all of the patterns on a terminal with so many rows. */
  readonly show: (args: string, rows: number, patterns: readonly RegExp[]) => Promise<string>;
  /** Where the proxy's home, and so a path that belongs to this machine, lies. */
  readonly home: string;
  /** The whole minute that everything to come is half a minute off; epoch ms. */
  readonly minute: number;
  readonly close: () => Promise<void>;
};

/** Throws when tmux is missing, nothing is built, or a request is not answered. */
export async function openStage(root: string): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'kmi-pictures-'));
  const home = join(folder, 'home');
  const auths = join(home, '.kmi', '_auths');
  mkdirSync(auths, { recursive: true });
  for (const label of LABELS) writeFileSync(join(auths, `${label}.env`), `KMI_API_KEY=sk-simulated-${label}\n`, { mode: 0o600 });
  const now = Date.now();
  const accounts = LABELS.map((name, n) => {
    const [hours, week] = USED[name];
    // Half a minute more than is shown, so that a slow start shows the same.
    const fiveHour = { limit: 1000, used: hours, resetsAt: now + (n + 1) * HOUR_MS + 20.5 * MINUTE_MS };
    const weekly = { limit: 10_000, used: week, resetsAt: now + (n + 2) * 24 * HOUR_MS + 5.5 * HOUR_MS };
    return {
      name,
      userId: `user-${name}`,
      keys: [`sk-simulated-${name}`],
      email: `${name}@example.com`,
      quota: { fiveHour, weekly },
    };
  });
  const simulator = await startSimulator({ accounts, record: false });
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    TMUX_TMPDIR: folder,
    PS1: '$ ',
    KMI_TIMEZONE: 'UTC',
    KMI_DRY_RUN: '0',
    KMI_AUTO_ROTATE_ALLOWED: '1',
    KMI_AUTO_ROTATE_E2E: '0',
    KMI_PROXY_LISTEN: '127.0.0.1:0',
    KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
  };
  const cli = join(root, 'dist', 'cli.js');
  // Not waited for synchronously: the simulator answers in this process.
  const kmi = async (...args: string[]) => (await run(process.execPath, [cli, ...args], { cwd: home, env })).stdout;
  const close = async () => {
    await kmi('stop');
    await simulator.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  try {
    await kmi('rotate', 'auto', '--strategy', 'sticky');
    const address = /^ {2}address {2,}(\S+)/m.exec(await kmi('proxy'))?.[1];
    const conversations = new Map<string, Message[]>();
    // Where a session goes hangs on the accounts.
    await until(async () => (await kmi('status', '--json')).includes('"unknown_keys": 0'));
    for (const turn of TURNS) {
      await take(turn, conversations, `${address}/chat/completions`);
      if (turn !== TURNS[0]) continue;
      // The first agent's account has quota for two more chats: it runs into its limit in front of the reader.
      const first = LABELS.map((label) => simulator.account(label)).find(({ books }) => books.served > 0);
      first?.setQuota({ fiveHour: { used: 998 } });
    }
    // The trace is written and counters are saved within a second.
    await until(async () => (await kmi('trace', '--last', '50')).split('\n').length > TURNS.length);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    home,
    minute: Math.floor((now + MINUTE_MS / 2) / MINUTE_MS) * MINUTE_MS,
    close,
    async show(args, rows, patterns) {
      const size = ['-x', String(COLUMNS), '-y', String(rows)];
      // A server for each screen: one that loses its last session ends, and may be ending when the next is asked for.
      const socket = `kmi-picture-${rows}-${args.replaceAll(' ', '-')}`;
      const tmux = (...words: string[]) =>
        execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...words], { env, encoding: 'utf8' });
      tmux('new-session', '-d', ...size, '-c', home, `'${process.execPath}' '${cli}' ${args}; sleep 600`);
      tmux('set-option', '-g', 'status', 'off');
      tmux('resize-window', ...size);
      try {
        const screen = () => tmux('capture-pane', '-p', '-e');
        await until(async () => patterns.every((pattern) => pattern.test(plain(screen()))));
        return screen();
      } finally {
        tmux('kill-server');
      }
    },
  };
}

type Message = { readonly role: string; readonly content: string };

/** One turn of an agent: what was said so far, and the next prompt. */
async function take(
  [agent, prompt]: readonly [string, string],
  conversations: Map<string, Message[]>,
  url: string,
): Promise<void> {
  const said = conversations.get(agent) ?? [{ role: 'system', content: `${agent}: ${'You are a coding agent. '.repeat(1500)}` }];
  said.push({ role: 'user', content: prompt });
  const body = JSON.stringify({ model: 'kimi-for-coding', prompt_cache_key: agent, messages: said });
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (!answer.ok) throw new Error(`A chat was answered with ${answer.status}: ${await answer.text()}`);
  const { choices } = (await answer.json()) as { choices: readonly { message: Message }[] };
  conversations.set(agent, [...said, ...choices.map(({ message }) => message)]);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('What the picture is to show did not come.');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Without colours. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour is made of
  return text.replace(/\u001b\[[\d;]*m/g, '');
}
