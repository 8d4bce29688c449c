import { expect, it } from 'vitest';
import { claudeFlags, codexFlags } from '../../../src/core/clients/client-flags.ts';
import { isForChats, recognizeClient } from '../../../src/core/clients/known-clients.ts';

it.each([
  ['claude', [], { client: 'claude', at: 0 }],
  ['/usr/local/bin/codex', ['exec'], { client: 'codex', at: 0 }],
  ['C:\\npm\\opencode.cmd', [], { client: 'opencode', at: 0 }],
  ['npx', ['-y', '@openai/codex@0.171.0', 'exec', 'hi'], { client: 'codex', at: 2 }],
  ['npm', ['exec', '@anthropic-ai/claude-code', '--', '-p', 'hi'], { client: 'claude', at: 3 }],
  ['bunx', ['opencode-ai'], { client: 'opencode', at: 1 }],
  ['env', ['X=1', 'codex', 'exec'], { client: 'codex', at: 2 }],
  ['/usr/bin/env', ['-i', '-u', 'A', '--', 'X=1', 'codex'], { client: 'codex', at: 6 }],
  ['sudo', ['-E', 'claude', '-p', 'hi'], { client: 'claude', at: 2 }],
  ['sudo', ['-u', 'ada', 'X=1', '/opt/bin/codex'], { client: 'codex', at: 4 }],
  ['nice', ['-n', '5', 'codex'], { client: 'codex', at: 3 }],
  ['nice', ['-5', 'codex'], { client: 'codex', at: 2 }],
  ['nohup', ['claude'], { client: 'claude', at: 1 }],
  ['timeout', ['-k', '5', '60', 'codex', 'exec'], { client: 'codex', at: 4 }],
  ['timeout', ['--signal=INT', '60', 'npx', '-y', '@openai/codex', 'exec'], { client: 'codex', at: 5 }],
  ['time', ['-p', 'claude'], { client: 'claude', at: 2 }],
  ['command', ['codex'], { client: 'codex', at: 1 }],
  ['command', ['-v', 'codex'], null],
  ['sudo', ['-l', 'codex'], null],
  ['sudo', ['-E', 'nice', 'env', 'A=b', 'timeout', '9', 'claude'], { client: 'claude', at: 7 }],
  ['env', ['codex=1', 'python'], null],
  ['timeout', ['codex'], null],
  ['env', [], null],
  ['python', ['claude'], null],
  ['npx', ['@openai/codex-sdk-like'], null],
  ['claude-code-router', [], null],
])('%s %j is known or not', (program, args, call) => {
  expect(recognizeClient(program, args)).toEqual(call);
});

it.each([
  [['-p', 'hi'], true],
  [[], true],
  [['--version'], false],
  [['mcp', 'list'], false],
  [['--verbose', 'login'], false],
])('arguments %j are for chats: %s', (args, expected) => {
  expect(isForChats(args)).toBe(expected);
});

const ACCESS = { url: 'http://127.0.0.1:54123/kmi-rotor/v1' };

it('Codex gets the provider, a model it can ask for, and no key', () => {
  expect(codexFlags(ACCESS, 'kimi-for-coding', ['exec', 'hi'])).toEqual([
    ...['-c', 'model_provider="kmi"'],
    ...['-c', `model_providers.kmi={name="kmi",base_url="${ACCESS.url}",wire_api="responses",env_key="OPENAI_API_KEY"}`],
    ...['-c', 'web_search="disabled"'],
    ...['-c', 'model="kimi-for-coding"'],
  ]);
});

it.each([
  ['-m', ['-m', 'k3']],
  ['--model', ['exec', '--model=k3']],
  ['-c model', ['-c', 'model="k3"']],
])('Codex keeps a model named with %s', (_, args) => {
  const flags = codexFlags(ACCESS, 'kimi-for-coding', args);
  expect(flags).toContain('model_provider="kmi"');
  expect(flags.join(' ')).not.toContain('model="kimi');
});

it.each([
  [['--oss']],
  [['-p', 'mine']],
  [['--profile=mine']],
  [['-c', 'model_provider="mine"']],
  [['--config=model_provider=mine']],
])('Codex with a provider of its own (%j) is left alone', (args) => {
  expect(codexFlags(ACCESS, 'kimi-for-coding', args)).toEqual([]);
});

it('Claude Code gets the address without /v1, and detours switched off', () => {
  expect(claudeFlags(ACCESS, ['CLAUDE_CODE_USE_BEDROCK'])).toEqual([
    '--settings',
    '{"env":{"ANTHROPIC_BASE_URL":"http://127.0.0.1:54123/kmi-rotor","CLAUDE_CODE_USE_BEDROCK":"0"}}',
  ]);
});
