import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../tests/support/free-port.ts';

export const SUBJECT_KINDS = ['direct', 'bare', '@fastify/http-proxy', 'nginx', 'kmi'] as const;
export type SubjectKind = (typeof SUBJECT_KINDS)[number];

/** A program to be measured. `cli` is the built binary that a kmi is started from. */
export type Program = {
  readonly name: string;
  readonly kind: SubjectKind;
  readonly cli: string;
  /** Its accounts are logins instead of keys. */
  readonly hasLogins?: boolean;
};

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
/** The kmi of this checkout. */
export const KMI: Program = { name: 'kmi', kind: 'kmi', cli: CLI };
/** The same, with accounts that are logged in. */
export const KMI_LOGINS: Program = { ...KMI, name: 'kmi-logins', hasLogins: true };

/** A running program under test. `path` is what a chat is posted to. */
export type Subject = {
  readonly name: string;
  readonly origin: string;
  readonly path: string;
  /** When its process was started, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** Its process and the processes it started; empty when the upstream is called directly. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
};

/** A running kmi, and its commands. */
export type KmiSubject = Subject & { command(...args: string[]): void };

const HERE = fileURLToPath(new URL('.', import.meta.url));
const UPSTREAM_PATH = '/coding/v1/chat/completions';

/** The processor the program under test runs on alone; load and upstream share the others. Linux only. */
const SUBJECT_CPU = '0';
export const LOAD_CPUS = '1';
export const CAN_PIN = spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;

export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** Starts a Node program of this folder and waits for the port it prints. */
export async function startUpstream(
  environment: Record<string, string> = {},
): Promise<{ origin: string; stop(): Promise<void> }> {
  const child = spawnPinned([process.execPath, join(HERE, '..', 'upstream.mjs')], LOAD_CPUS, environment);
  const port = await firstLine(child);
  return { origin: `http://127.0.0.1:${port}`, stop: () => end(child) };
}

export async function startSubject(program: Program, upstream: string, options: KmiOptions = {}): Promise<Subject> {
  const { name, kind } = program;
  switch (kind) {
    case 'direct':
      return { name, origin: upstream, path: UPSTREAM_PATH, startedAt: performance.now(), pids: [], stop: async () => undefined };
    case 'bare':
    case '@fastify/http-proxy': {
      const file = kind === 'bare' ? 'bare.mjs' : 'fastify-http-proxy.mjs';
      const startedAt = performance.now();
      const child = spawnPinned([process.execPath, join(HERE, file), upstream], SUBJECT_CPU);
      const port = await firstLine(child);
      return subjectOf({ name, startedAt }, child, `http://127.0.0.1:${port}`, UPSTREAM_PATH, () => end(child));
    }
    case 'nginx':
      return startNginx(name, upstream);
    case 'kmi':
      return startKmi(program, upstream, options);
  }
}

export type KmiOptions = { readonly keys?: number; readonly settings?: Readonly<Record<string, string>> };

export async function startKmi(
  { name, cli, hasLogins = false }: Program,
  upstream: string,
  { keys = 3, settings = {} }: KmiOptions = {},
): Promise<KmiSubject> {
  const folder = mkdtempSync(join(tmpdir(), 'kmi-bench-'));
  mkdirSync(join(folder, '_auths'));
  mkdirSync(join(folder, 'state'), { mode: 0o700 });
  if (hasLogins) mkdirSync(join(folder, 'state', 'logins'), { mode: 0o700 });
  for (let n = 0; n < keys; n++) {
    if (hasLogins) writeLogin(join(folder, 'state', 'logins'), n, upstream);
    else writeFileSync(join(folder, '_auths', `key${n}.env`), `KMI_API_KEY=sk-bench-${n}\n`, { mode: 0o600 });
  }
  writeFileSync(join(folder, 'state', 'state.json'), JSON.stringify({ schema_version: 1, auto_rotate: true, keys: {} }), {
    mode: 0o600,
  });
  const port = await freePort();
  const environment = {
    HOME: folder,
    KMI_AUTHS_DIR: join(folder, '_auths'),
    KMI_STATE_DIR: join(folder, 'state'),
    KMI_PROXY_LISTEN: `127.0.0.1:${port}`,
    KMI_UPSTREAM_BASE_URL: `${upstream}/coding/v1`,
    KMI_DRY_RUN: '0',
    KMI_AUTO_ROTATE_ALLOWED: '1',
    ...settings,
  };
  const quiet = knowsQuiet(cli) ? ['--quiet'] : [];
  const startedAt = performance.now();
  const child = spawnPinned([process.execPath, cli, 'proxy', '--foreground', ...quiet], SUBJECT_CPU, environment);
  await listens(port, child);
  const subject = subjectOf(
    { name, startedAt },
    child,
    `http://127.0.0.1:${port}`,
    '/kmi-rotor/v1/chat/completions',
    async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  );
  const command = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`kmi ${args.join(' ')}: ${stderr}`);
  };
  return { ...subject, command };
}

/** A login whose token outlives the measurement, so that nobody is asked for another. */
function writeLogin(folder: string, n: number, upstream: string): void {
  const id = n.toString(16).padStart(8, '0');
  const now = Math.floor(Date.now() / 1000);
  const tokens = { access_token: `sk-bench-${n}`, refresh_token: `rt-bench-${n}`, expires_at: now + 86_400, expires_in: 86_400 };
  const login = {
    ...{ version: 1, id, label: `key${n}`, kind: 'own', region: 'mainland-cn', oauth_host: upstream },
    ...{ base_url: `${upstream}/coding/v1`, account: null, email: null, priority: 0, weight: 100, disabled: false },
    ...{ created_at: now, refused: null, file: null, tokens: { ...tokens, scope: '', token_type: 'Bearer' } },
  };
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(login), { mode: 0o600 });
}

/** An older build prints no line for each request, and has no option to turn it off. */
function knowsQuiet(cli: string): boolean {
  return spawnSync(process.execPath, [cli, 'proxy', '--help'], { encoding: 'utf8' }).stdout.includes('--quiet');
}

async function startNginx(name: string, upstream: string): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), 'kmi-bench-nginx-'));
  const port = await freePort();
  const config = `
    daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 8192; }
    http {
      access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; client_max_body_size 128m;
      fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; client_body_buffer_size 256k;
      upstream u { server ${new URL(upstream).host}; keepalive 2048; }
      server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 600s; } }
    }`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  const startedAt = performance.now();
  const child = spawnPinned(['nginx', '-c', join(folder, 'nginx.conf'), '-p', folder], SUBJECT_CPU);
  await answers(`http://127.0.0.1:${port}/coding/v1/usages`, child);
  return subjectOf({ name, startedAt }, child, `http://127.0.0.1:${port}`, UPSTREAM_PATH, async () => {
    await end(child);
    rmSync(folder, { recursive: true, force: true });
  });
}

function subjectOf(
  about: Pick<Subject, 'name' | 'startedAt'>,
  child: ChildProcess,
  origin: string,
  path: string,
  stop: () => Promise<void>,
): Subject {
  return { ...about, origin, path, pids: [child.pid as number], stop };
}

/** taskset replaces itself by the program, so the pid is the program's. */
function spawnPinned(command: readonly string[], cpus: string, environment: Record<string, string> = {}): ChildProcess {
  const [program, ...args] = CAN_PIN ? ['taskset', '-c', cpus, ...command] : command;
  return spawn(program as string, args, {
    stdio: ['ignore', 'pipe', process.env.BENCH_VERBOSE === '1' ? 'inherit' : 'ignore'],
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...environment },
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.split('\n', 1)[0] as string);
    });
    child.once('exit', (code) => reject(new Error(`A benchmark program ended with ${code} before it listened.`)));
    child.once('error', reject);
  });
}

/** Without a request: the first answer is the bench's to measure. */
async function listens(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline && child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`Nothing listens at port ${port}.`);
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline && child.exitCode === null) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  throw new Error(`Nothing answered at ${url}.`);
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
