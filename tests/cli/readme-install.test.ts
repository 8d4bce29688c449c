import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { startLocalRegistry } from '../support/local-registry.ts';
import { openTerminal, type Terminal } from '../support/tmux.ts';
import { kill } from './daemon-home.ts';
import { writeStandIn } from './stand-in-kimi.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
/** What a person who reads the README is promised. */
const MOST_COMMANDS = 3;
const MOST_SECONDS = 60;
const PATIENCE_MS = 120_000;
const PACKED = [
  ...['package.json', 'package-lock.json', 'README.md', 'LICENSE', 'CHANGELOG.md', '.env.example', '_auths/README.md'],
  ...['docs', 'src', 'scripts/build.mjs', 'scripts/code-cache.mjs'],
];

/** A Kimi CLI as the proxy meets it: it takes its model from the variables, asks with `stream`, and prints what comes, as it comes. */
const ASKS = `
const { KIMI_MODEL_BASE_URL: url, KIMI_MODEL_API_KEY: key, KIMI_MODEL_NAME: model } = process.env;
if (process.argv.includes('--version')) { console.log('2.1.0'); process.exit(0); }
const messages = [{ role: 'user', content: process.argv[process.argv.indexOf('-p') + 1] }];
fetch(url + '/chat/completions', {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer ' + key, 'user-agent': 'KimiCLI/2.1.0' },
  body: JSON.stringify({ model, stream: true, messages }),
}).then(async (answer) => {
  let text = '';
  let pieces = 0;
  for await (const chunk of answer.body) { text += Buffer.from(chunk).toString(); pieces += 1; }
  const words = text.split('\\n').filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? '').join('');
  console.log('answer ' + answer.status + ': ' + words);
  console.log(text.includes('data: [DONE]') && pieces > 1 ? 'streamed to its end' : 'not streamed: ' + pieces);
  process.exit(0);
});
`;

/** What a person presses Enter at; the code of the login is confirmed in the browser. */
const QUESTIONS: readonly RegExp[] = [/Log in with a Kimi account/, /Go live/, /Turn auto-rotation on/];

test('the steps of the README, as written, lead from an empty home to a streamed answer', { timeout: 300_000 }, async () => {
  const commands = await stepsOfTheReadme();
  expect(commands.length).toBeLessThanOrEqual(MOST_COMMANDS);
  const { terminal, home, prefix, simulator } = await newUser();
  cleanUp(async () => kill(Number(await readFile(join(home, '.kmi', 'proxy.pid'), 'utf8').catch(() => '')) || 2 ** 30));

  const screens: string[] = [];
  const started = performance.now();
  for (const command of commands) screens.push(await runStep(terminal, command, simulator));
  const seconds = (performance.now() - started) / 1000;
  const transcript = screens.join('\n');

  expect(transcript.match(/^ended \d+$/gm), transcript).toEqual(commands.map(() => 'ended 0'));
  expect(transcript).toMatch(/^answer 200: \S.*$/m);
  expect(transcript).toMatch(/^streamed to its end$/m);
  for (const token of simulator.oauth.issued) expect(transcript.replaceAll('\n', '')).not.toContain(token);
  expect(seconds, transcript).toBeLessThan(MOST_SECONDS);
  expect(await readdir(join(prefix, 'bin'))).toEqual(['kimi_robin', 'kmi']);
  // The package itself, not a link into the clone.
  expect(await realpath(join(prefix, 'lib/node_modules/kmi'))).toBe(join(await realpath(prefix), 'lib/node_modules/kmi'));
});

/** The lines of the block in "Install" that installs kmi. */
async function stepsOfTheReadme(): Promise<readonly string[]> {
  const readme = await readFile(join(CHECKOUT, 'README.md'), 'utf8');
  const install = /^## Install\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  const lines = /^```sh\n([\s\S]*?)^```$/m.exec(install)?.[1]?.trimEnd().split('\n') ?? [];
  if (lines.length < 2) throw new Error('The README has no block ```sh of commands in "Install".');
  return lines;
}

/** Types the command, answers what it asks, logs in, and gives the screen as it was at the command's end. */
async function runStep(terminal: Terminal, command: string, { oauth }: Simulator): Promise<string> {
  await terminal.type('clear');
  await eventually(async () => (/^\s*[$#]\s*$/.test(await terminal.screen()) ? true : undefined), PATIENCE_MS);
  await terminal.type(`${command}; echo "ended $?"`);
  const open = [...QUESTIONS];
  return eventually(async () => {
    const screen = await terminal.screen();
    if (/^ended \d+$/m.test(screen)) return screen.trimEnd();
    if (open[0]?.test(screen) === true) {
      open.shift();
      await terminal.press('Enter');
    }
    const code = oauth.pending.find((pending) => screen.includes(pending));
    if (code !== undefined) oauth.approve(code, 'ada');
    throw new Error(`\`${command}\` has not ended:\n${screen}`);
  }, PATIENCE_MS);
}

/** A person with an account, an empty home, in a clone, with Node, npm and a Kimi CLI, whose Kimi API is the simulator. */
async function newUser(): Promise<{ terminal: Terminal; home: string; prefix: string; simulator: Simulator }> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-readme-'));
  cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  const [home, prefix, bin, clone] = ['home', 'prefix', 'bin', 'clone'].map((name) => join(folder, name)) as Four;
  await Promise.all([home, prefix, bin, clone].map((path) => mkdir(path)));
  await copyCheckout(clone);
  await writeNpm(join(bin, 'npm'));
  await writeStandIn(join(bin, 'kimi'), { marker: '@moonshot-ai/kimi-code', does: ASKS });
  const quota = { fiveHour: { limit: 100, used: 12 } };
  const simulator = await startSimulator({ accounts: [{ name: 'ada', keys: [], quota }], behaviour: { chunkPauseMs: 30 } });
  cleanUp(() => simulator.close());
  const env = {
    HOME: home,
    npm_config_prefix: prefix,
    npm_config_cache: join(folder, 'cache'),
    npm_config_registry: await startLocalRegistry(),
    npm_config_audit: 'false',
    npm_config_update_notifier: 'false',
    // The port of the README may be taken, by a proxy of the person who runs the tests.
    KMI_PROXY_LISTEN: `127.0.0.1:${await freePort()}`,
    KMI_UPSTREAM_BASE_URL: simulator.baseUrl,
    KMI_OAUTH_HOST: simulator.origin,
  };
  const terminal = await openTerminal({ env, cwd: clone, rows: 40 });
  const path = [bin, join(prefix, 'bin'), dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter);
  // The terminals of other tests know the built binary by this name. tmux gives a shell its own PATH.
  await terminal.type(`unset -f kmi; export PATH='${path}'; clear; command -v npm`);
  await terminal.waitFor(/\/bin\/npm$/m);
  expect((await terminal.screen()).replaceAll('\n', '')).toContain(join(bin, 'npm'));
  return { terminal, home, prefix, simulator };
}

type Four = [string, string, string, string];

/** What a clone has that a package is made of. Keys that lie in the checkout stay there. */
async function copyCheckout(clone: string): Promise<void> {
  for (const name of PACKED) {
    await cp(join(CHECKOUT, name), join(clone, name), { recursive: true });
  }
}

/** npm, but for `npm ci`: that needs the real registry, and what it gives a clone is what the checkout has. */
async function writeNpm(path: string): Promise<void> {
  const npm = execFileSync('/bin/sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  const modules = join(CHECKOUT, 'node_modules');
  await writeFile(path, `#!/bin/sh\n[ "$1" = ci ] && exec ln -sfn '${modules}' node_modules\nexec '${npm}' "$@"\n`);
  await chmod(path, 0o755);
}
