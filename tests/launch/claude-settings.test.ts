import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leadingElsewhere } from '../../src/launch/claude-route.ts';
import { readClaudeSettings } from '../../src/launch/claude-settings.ts';

const URL = 'http://127.0.0.1:54123/kmi-rotor/v1';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kmi-claude-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(name: string, env: Record<string, unknown> | string): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof env === 'string' ? env : JSON.stringify({ env }));
  return path;
}

async function read(args: readonly string[] = [], environment: Record<string, string> = {}) {
  const where = { environment: { HOME: join(root, 'home'), ...environment }, cwd: join(root, 'project'), args };
  return readClaudeSettings({ ...where, managedFile: join(root, 'managed.json') });
}

const base = (host: string) => ({ ANTHROPIC_BASE_URL: `https://${host}/coding/` });

it('each layer goes before the one below: user, project, local, --settings, managed', async () => {
  const layers = ['home/.claude/settings.json', 'project/.claude/settings.json', 'project/.claude/settings.local.json'];
  for (const [n, name] of layers.entries()) {
    const path = write(name, base(`layer${n}.example`));
    expect(leadingElsewhere(await read(), URL)).toEqual([
      { variable: 'ANTHROPIC_BASE_URL', value: `https://layer${n}.example/coding/`, from: path, kind: 'file' },
    ]);
  }
  const inline = ['--settings', JSON.stringify({ env: base('flag.example') })];
  const file = [`--settings=${write('flag.json', base('flag.example'))}`];
  for (const args of [inline, file]) {
    expect((await read(args)).get('ANTHROPIC_BASE_URL')).toMatchObject({ kind: 'flag', value: 'https://flag.example/coding/' });
  }
  write('managed.json', base('managed.example'));
  expect((await read(inline)).get('ANTHROPIC_BASE_URL')).toMatchObject({ kind: 'managed' });
});

it('the user layer lies where CLAUDE_CONFIG_DIR says', async () => {
  write('home/.claude/settings.json', base('home.example'));
  write('other/settings.json', base('other.example'));
  const settings = await read([], { CLAUDE_CONFIG_DIR: join(root, 'other') });
  expect(settings.get('ANTHROPIC_BASE_URL')?.value).toContain('other.example');
});

it.each([
  ['the proxy itself', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:54123/kmi-rotor/' }, []],
  ['another port', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:1/kmi-rotor' }, ['ANTHROPIC_BASE_URL']],
  ['Bedrock', { CLAUDE_CODE_USE_BEDROCK: '1' }, ['CLAUDE_CODE_USE_BEDROCK']],
  ['Vertex, switched off', { CLAUDE_CODE_USE_VERTEX: '0' }, []],
  ['a key alone', { ANTHROPIC_API_KEY: 'sk-x' }, []],
  ['no text', { ANTHROPIC_BASE_URL: 7 }, []],
])('%s leads elsewhere or not', async (_, env, variables) => {
  write('home/.claude/settings.json', env);
  expect(leadingElsewhere(await read(), URL).map(({ variable }) => variable)).toEqual(variables);
});

it.each(['', 'nonsense', '[]', 'null', '{"env":null}', '{"env":[1]}'])('a file with %j says nothing', async (text) => {
  write('home/.claude/settings.json', text);
  expect([...(await read()).keys()]).toEqual([]);
});
