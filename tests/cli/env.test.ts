import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { type HomeWithPort, homeWithPort } from '../support/home.ts';
import { runKmi } from '../support/spawn.ts';

const home: HomeWithPort = await homeWithPort();
const AWKWARD = `it's "$HOME" \`id\` \\ ‘end’`;

it('prints the exports for the shell in use, and says on standard error what is left to do', async () => {
  const { code, stdout, stderr } = await runKmi(['env'], { env: { ...home.env, SHELL: '/bin/zsh' } });
  expect([code, stderr]).toEqual([0, 'kmi: No proxy runs there yet; `kmi start` starts it.\n']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.every((line) => /^(export [A-Z_a-z]+='[^']*'|unset ANTHROPIC_AUTH_TOKEN)$/.test(line))).toBe(true);
  expect(lines).toContain(`export OPENAI_BASE_URL='${home.proxyUrl}'`);
  expect(lines).toContain(`export ANTHROPIC_BASE_URL='${home.proxyUrl.slice(0, -3)}'`);
  expect(lines).toContain(`export KIMI_MODEL_NAME='kimi-for-coding'`);
});

it.each(['bash', 'sh'])('%s reads back every value as it was', async (shell) => {
  const { stdout } = await runKmi(['env', '--shell', 'bash'], { env: { ...home.env, KMI_PROXY_TOKEN: AWKWARD } });
  const script = `${stdout}\nprintf '%s' "$OPENAI_API_KEY|$ANTHROPIC_BASE_URL|\${ANTHROPIC_AUTH_TOKEN-none}"`;
  const env = { PATH: process.env.PATH ?? '', ANTHROPIC_AUTH_TOKEN: 'mine' };
  const read = await promisify(execFile)(shell, ['-c', script], { env });
  expect(read.stdout).toBe(`${AWKWARD}|${home.proxyUrl.slice(0, -3)}|none`);
});

it('fish and PowerShell have their own syntax', async () => {
  const env = { ...home.env, KMI_PROXY_TOKEN: AWKWARD };
  const fish = await runKmi(['env', '--shell', 'fish'], { env });
  expect(fish.stdout).toContain(`set -gx OPENAI_API_KEY 'it\\'s "$HOME" \`id\` \\\\ ‘end’'\n`);
  const powershell = await runKmi(['env', '--shell', 'powershell'], { env });
  expect(powershell.stdout).toContain(`$env:OPENAI_API_KEY = 'it''s "$HOME" \`id\` \\ ‘‘end’’'\n`);
});

it('an unknown shell is bad usage and prints nothing to evaluate', async () => {
  const finished = await runKmi(['env', '--shell', 'tcsh'], { env: home.env });
  expect(finished).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('bash, zsh, fish, powershell') });
});
