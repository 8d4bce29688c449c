import { describe, expect, test } from 'vitest';
import { renderConfig } from '../../src/cli/setup/config/view.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { describeConfig } from '../../src/config/document.ts';
import { loadConfig } from '../../src/config/load.ts';
import { LOOKS, PLAIN, visible } from './fixture.ts';

const loaded = loadConfig(
  {
    KMI_AUTHS_DIR: '/home/kim/_auths',
    KMI_STATE_DIR: '/home/kim/a/folder/with/quite/a/long/path/for/eighty/columns/.kmi',
    KMI_PROXY_TOKEN: 'top-secret',
    KMI_UPSTREAM_ALLOWLIST: 'api.kimi.com,api.moonshot.ai,api.moonshot.cn,*.example.com',
    KMI_DRY_RUN: '0',
  },
  '/nonexistent',
);
const entries = describeConfig(loaded);

describe.each(LOOKS)('at %s', (_, columns, style) => {
  test('the settings', () => {
    expect(visible(renderConfig(entries, null, { columns, style, all: true }))).toMatchSnapshot();
  });

  test('the settings that were changed', () => {
    expect(visible(renderConfig(entries, null, { columns, style }))).toMatchSnapshot();
  });
});

test('every setting is shown, no secret is, and no line is wider than the terminal', () => {
  const lines = renderConfig(entries, null, { columns: 80, style: PLAIN, all: true });
  for (const { variable } of entries) expect(lines.join('\n')).toContain(variable);
  expect(lines.join('\n')).not.toContain('top-secret');
  for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
});

test('without --all only what was changed is shown, and how much is not', () => {
  const text = renderConfig(entries, null, { columns: 80, style: PLAIN }).join('\n');
  const changed = entries.filter(({ source }) => source !== 'default');
  expect(text.match(/^ {2}KMI_\w+/gm)).toHaveLength(changed.length);
  expect(text).toContain(
    `The other ${entries.length - changed.length} settings have their defaults; \`kmi config --all\` shows them.`,
  );
  const untouched = entries.filter(({ source }) => source === 'default');
  expect(renderConfig(untouched, null, { columns: 80, style: PLAIN }).at(-1)).toMatch(/^Every setting has its default; /);
});

test('a value from the env file names the file once, above', () => {
  const entry = { group: 'G', variable: 'KMI_LOCALE', value: 'ru', source: '.env (/x/.env)' };
  expect(renderConfig([entry], '/x/.env', { columns: 80, style: PLAIN })).toEqual([
    'Env file: /x/.env',
    '',
    'G',
    '  KMI_LOCALE  ru  from .env',
  ]);
});
