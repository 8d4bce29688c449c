import { expect, test } from 'vitest';
import { readEnvText } from '../../src/config/env-file.ts';
import { SETTING_VARIABLES } from '../../src/config/known-names.ts';
import { findUnusedLines, findUnusedVariables, shownName } from '../../src/config/unused.ts';

function unusedIn(text: string, isNamed = false): string[] {
  return findUnusedLines('/x/.env', readEnvText(Buffer.from(text)), isNamed).map(({ name, why }) => `${name} ${why}`);
}

test.each([
  ['KMI_DRYRUN=0', 'KMI_DRY_RUN'],
  ['kmi_dry_run=0', 'KMI_DRY_RUN'],
  ['KMI-DRY-RUN=0', 'KMI_DRY_RUN'],
  ['KMIDRYRUN=0', 'KMI_DRY_RUN'],
  ['KIMI_DRY_RUN=0', 'KMI_DRY_RUN'],
  ['export KMI_DRY_RUNS=0', 'KMI_DRY_RUN'],
  ['KMI_UPSTREAM_BASEURL=https://x', 'KMI_UPSTREAM_BASE_URL'],
  ['KMI_UPSTREAM_URL=https://x', 'KMI_UPSTREAM_BASE_URL'],
  ['KMI_LISTEN=127.0.0.1:1', 'KMI_PROXY_LISTEN'],
  ['KMI_TOKEN=x', 'KMI_PROXY_TOKEN'],
  ['KMI_PROXY_PORT=1234', 'KMI_PROXY_LISTEN'],
  ['KMI_PORT=1234', 'KMI_PROXY_LISTEN'],
  ['kmi_port=1234', 'KMI_PROXY_LISTEN'],
  ['KMI_HOST=127.0.0.1', 'KMI_PROXY_LISTEN'],
  ['KMI_UPSTREAM=https://x', 'KMI_UPSTREAM_BASE_URL'],
  ['KMI_BASE_URL=https://x', 'KMI_UPSTREAM_BASE_URL'],
  ['KMI_BASE_PATH=/x', 'KMI_PROXY_BASE_PATH'],
  ['KMI_STRATEGY=sticky', 'KMI_ROTATE_STRATEGY'],
  ['KMI_PROXY_MAX_RSP=1', 'KMI_PROXY_MAX_RPS'],
  ['KMI_MAX_RPS=1', 'KMI_PROXY_MAX_RPS or KMI_PROXY_MAX_RPS_PER_KEY'],
])('%s is named with the nearest right name', (line, meant) => {
  const [name = ''] = line.replace('export ', '').split('=');
  expect(unusedIn(`${line}\n`)).toEqual([`${name} is no setting of kmi; did you mean ${meant}?`]);
});

test('a name near to none is named all the same', () => {
  expect(unusedIn('KMI_COLOUR_OF_THE_SKY=blue')).toEqual(['KMI_COLOUR_OF_THE_SKY is no setting of kmi']);
});

test.each([
  ['set KMI_DRY_RUN=0', 1],
  ['$env:KMI_DRY_RUN = "0"', 1],
  ['KMI_LOCALE=ru\nKMI_DRY_RUN 0', 2],
  ['"KMI_DRY_RUN": "0",', 1],
  ['- KMI_DRY_RUN=0', 1],
  ['\u200bKMI_DRY_RUN=0', 1],
  ['K\u200bMI_DRY\u2060_RUN=0', 1],
  ['{"KMI_DRY_RUN":"0"}', 1],
  ['setx KMI_DRY_RUN 0', 1],
])('%j is a line of no env file', (text, line) => {
  expect(unusedIn(text)).toEqual([`KMI_DRY_RUN in line ${line} sets nothing; write KMI_DRY_RUN=value`]);
});

test('of two lines with one name and two values, the first is named as not used', () => {
  expect(unusedIn('KMI_DRY_RUN=1\nexport KMI_DRY_RUN=0\n')).toEqual([
    'KMI_DRY_RUN is set more than once; only the last line counts',
  ]);
  expect(unusedIn('KMI_DRY_RUN=0\nKMI_DRY_RUN=0\n')).toEqual([]);
});

test('keys and their labels belong into auth files, and the path of the env file into the environment', () => {
  expect(unusedIn('KMI_API_KEY=sk-kimi-0123456789')).toEqual([
    'KMI_API_KEY belongs into an auth file: `kmi keys add` writes one',
  ]);
  expect(unusedIn('KMI_ENV_PATH=/other.env')).toEqual(['KMI_ENV_PATH counts in the environment only, not in this file']);
});

test("a name without KMI_ is a slip in a file that is ours, and another program's elsewhere", () => {
  const slip = 'DRY_RUN is no setting of kmi; did you mean KMI_DRY_RUN?';
  expect(unusedIn('DRY_RUN=0\nKMI_LOCALE=ru')).toEqual([slip]);
  expect(unusedIn('DRY_RUN=0\nOTHER=1', true)).toEqual([slip]);
  expect(unusedIn('DRY_RUN=0')).toEqual([slip]);
  expect(unusedIn('DRY_RUN=0\nDATABASE_URL=x')).toEqual([]);
  expect(unusedIn('TIMEZONE=UTC\nNO_COLOR=1\nLOCALE=de\nKMI_LOCALE=ru')).toEqual([]);
});

test("what is known, commented out, another program's or only mentioned in a value is not named", () => {
  const all = SETTING_VARIABLES.map((name) => `${name}=1`).join('\n');
  expect(unusedIn(all)).toEqual([]);
  expect(unusedIn('# KMI_DRYRUN=0\nKIMI_API_KEY=x\nKIMI_BASE_URL=x\nNOTE=see KMI_DRYRUN\nKMIN=1')).toEqual([]);
});

test('the environment is looked at too', () => {
  const found = findUnusedVariables({ KMI_DRYRUN: '0', KMI_DRY_RUN: '1', KMI_ENV_PATH: '/x', KMI_DEBUG: '1', KIMI_API_KEY: 'x' });
  expect(found).toEqual([{ file: null, name: 'KMI_DRYRUN', why: 'is no setting of kmi; did you mean KMI_DRY_RUN?' }]);
});

test('a name that may hold a key is cut', () => {
  expect(shownName('KMI_API_KEYabcdefghij0123456789')).toBe('KMI_API_KEY...');
  expect(shownName('KMI_sk-kimi-0123456789')).toBe('KMI_sk-...');
  expect(shownName('KMI_X\u001b[31m')).toBe('KMI_X??31m');
});

test.each([
  'KMI_STATE_DIR=/srv/c#1',
  'export KMI_STATE_DIR = /srv/c#1 # comment',
  'KMI_STATE_DIR: /srv/c#1',
  'KMI_STATE_DIR="/srv/c#1',
  'KMI_STATE_DIR=#srv',
])('%j is cut at the #', (line) => {
  expect(unusedIn(line)).toEqual(['KMI_STATE_DIR is cut at the #; put the value in quotes']);
});

test.each([
  "KMI_STATE_DIR='/srv/c#1'",
  'KMI_STATE_DIR="/srv/c#1" # comment',
  'KMI_STATE_DIR=`/srv/c#1`',
  'KMI_STATE_DIR="/srv"#comment',
  'KMI_STATE_DIR=/srv # a#b',
  'KMI_STATE_DIR= # comment',
  'KMI_STATE_DIR=/srv\t#comment',
  '#KMI_STATE_DIR=/srv#1',
])('%j is read whole', (line) => {
  expect(unusedIn(line)).toEqual([]);
});
