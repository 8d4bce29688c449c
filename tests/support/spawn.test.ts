import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanUp } from './cleanup.ts';
import { temporaryHome } from './home.ts';
import { runKmi, startKmi } from './spawn.ts';

const folder = mkdtempSync(join(tmpdir(), 'kmi-spawn-'));
cleanUp(async () => rmSync(folder, { recursive: true }));

function script(code: string): string {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(path, code);
  return path;
}

it('a child gets its arguments, its input and only the environment it is given', async () => {
  process.env.KMI_LOCALE = 'ru';
  process.env.HTTPS_PROXY = 'http://127.0.0.1:1';
  const code = `let input = '';
    for await (const chunk of process.stdin) input += chunk;
    console.log(JSON.stringify({ input, args: process.argv.slice(2), names: Object.keys(process.env).sort() }));
    console.error('warned');
    process.exitCode = 3;`;
  const { stdout, ...rest } = await runKmi(['a', '-b'], { script: script(code), stdin: 'hello', env: { KMI_PLAIN: '1' } });
  delete process.env.KMI_LOCALE;
  delete process.env.HTTPS_PROXY;
  const { input, args, names } = JSON.parse(stdout);
  expect({ input, args, ...rest }).toEqual({ input: 'hello', args: ['a', '-b'], code: 3, signal: null, stderr: 'warned\n' });
  expect(names.filter((name: string) => name !== 'NODE_V8_COVERAGE')).toEqual(['HOME', 'KMI_PLAIN', 'PATH']);
});

it('a child that does not end in time is killed', async () => {
  const waiting = script('setInterval(() => {}, 1000);');
  await expect(runKmi(['wait'], { script: waiting, timeoutMs: 500 })).rejects.toThrow('`kmi wait` still runs after 500 ms.');
});

it('output can be awaited and a child stopped by a signal it handles', async () => {
  const code = `process.on('SIGTERM', () => { console.error('bye'); process.exit(7); });
    console.log('ready on 127.0.0.1:4711'); setInterval(() => {}, 1000);`;
  const running = await startKmi([], { script: script(code) });
  expect((await running.waitForOutput(/ready on .*:(\d+)/))[1]).toBe('4711');
  expect(await running.stop()).toEqual({ code: 7, signal: null });
  expect([running.stdout(), running.stderr()]).toEqual(['ready on 127.0.0.1:4711\n', 'bye\n']);
});

it('waiting for output ends when the child ends without it', async () => {
  const running = await startKmi([], { script: script(`console.log('only this');`) });
  await expect(running.waitForOutput(/something else/)).rejects.toThrow(/ended \(0\).*only this/s);
});

it('a temporary home has an auths folder, key files and the settings that lead to them', async () => {
  const home = await temporaryHome();
  const { key, file } = await home.addKey({ label: 'work', priority: 2, baseUrl: 'http://127.0.0.1:9/v1', disabled: true });
  const code = `import { readFileSync } from 'node:fs'; console.log(readFileSync(process.env.KMI_AUTHS_DIR + '/work.env', 'utf8'));`;
  const { stdout } = await runKmi([], { script: script(code), env: home.env, cwd: home.root });
  expect(file).toBe(join(home.authsDir, 'work.env'));
  expect(stdout.trim().split('\n')).toEqual([
    `KMI_API_KEY=${key}`,
    'KMI_KEY_LABEL=work',
    'KMI_UPSTREAM_BASE_URL=http://127.0.0.1:9/v1',
    'KMI_KEY_PRIORITY=2',
    'KMI_KEY_DISABLED=1',
  ]);
});
