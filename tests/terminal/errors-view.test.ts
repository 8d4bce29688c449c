import { describe, expect, it } from 'vitest';
import { wholeNumber } from '../../src/cli/command/numbers.ts';
import { instant } from '../../src/cli/command/times.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { findKeys } from '../../src/cli/keys/key-selection.ts';
import { noKeys } from '../../src/cli/proxy/no-keys.ts';
import { refuseTakenPort } from '../../src/cli/proxy/start-check.ts';
import { settingNamed } from '../../src/cli/setup/setting-named.ts';
import { inOwnWords } from '../../src/cli/spellings.ts';
import { renderError } from '../../src/cli/ui/error-lines.ts';
import { displayWidth } from '../../src/cli/ui/width.ts';
import { loadConfig } from '../../src/config/load.ts';
import { KmiError } from '../../src/errors.ts';
import { configOf } from './fixture.ts';

const typed = (line: string) => async () => void (await runCommandLine(inOwnWords(line.split(' ')), async () => 0));
const load = (environment: Readonly<Record<string, string>>) => () => void loadConfig(environment, '/nonexistent');
const NO_KEYS = { keys: [], byLabel: new Map(), skipped: [], remarks: [] } as const;
const ADDRESS = '127.0.0.1:54123';

/** What goes wrong, and the code that says so. */
const ERRORS: readonly (readonly [name: string, fails: () => unknown])[] = [
  ['an unknown command, with one that is near', typed('statsu')],
  ['an unknown command that has another name here', typed('live')],
  ['an unknown command, with none that is near', typed('zzz')],
  ['an unknown subcommand', typed('keys lst')],
  ['a word behind a command that takes none', typed('rotate auto sticky')],
  ['a word too many', typed('keys add a b')],
  ['an argument that is missing', typed('keys remove')],
  ['an unknown option', typed('rotate --strategy sticky')],
  ['an option without its value', typed('e2e -n')],
  ['a value that is no number', () => wholeNumber('--last', 'many', { min: 0, max: 1_000_000 })],
  ['a value that is no time', () => instant('--since', 'lately', 'UTC')],
  ['a key where a word belongs', typed('keys sk-kimi-abcdefghijklmnop123')],
  ['an unknown key', () => findKeys({ ...NO_KEYS, folder: '/home/kim/_auths', folderExists: true, signature: '' }, ['work'])],
  ['an unknown setting', () => settingNamed('KMI_DRI_RUN', 'kmi config set')],
  ['a setting that cannot be used', load({ KMI_LOCALE: 'fr' })],
  [
    'several settings that cannot be used',
    load({
      KMI_DRY_RUN: 'maybe',
      KMI_PROXY_LISTEN: '54123',
      KMI_UPSTREAM_BASE_URL: 'http://api.example',
      KMI_PROXY_TLS_CERT: '/a.pem',
    }),
  ],
  ['no keys', () => Promise.reject(noKeys(configOf(), { skipped: [] }))],
  [
    'no usable keys',
    () =>
      Promise.reject(
        noKeys(configOf(), {
          skipped: [
            { file: '/home/kim/_auths/work.env', reason: 'malformed', detail: 'There is no KMI_API_KEY in it.' },
            { file: '/home/kim/_auths/home.env', reason: 'malformed', detail: 'There is no KMI_API_KEY in it.' },
          ],
        }),
      ),
  ],
  ['a port that another program holds', () => refuseTakenPort({ kind: 'stranger', answer: 'HTTP 404' }, ADDRESS)],
  ['a port that gives no answer', () => refuseTakenPort({ kind: 'silent', reason: 'no answer within 2 s' }, ADDRESS)],
];

async function thrown(fails: () => unknown): Promise<KmiError> {
  try {
    await fails();
  } catch (error) {
    if (error instanceof KmiError) return error;
    throw error;
  }
  throw new Error('Nothing was wrong.');
}

/** Errors have no colours, so one look is all there is. */
describe.each([60, 80, 120])('at %i columns', (columns) => {
  it.each(ERRORS)('%s', async (_, fails) => {
    const { message, hint } = await thrown(fails);
    const lines = renderError(message, hint, columns);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    expect(lines.join('\n')).toMatchSnapshot();
  });
});
