import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { browserCommand, openBrowser } from '../../src/launch/open-browser.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';

const URL_OF_CODE = 'https://www.kimi.com/code/authorize_device?user_code=ABCD-EFGH&x=1';

test.each([
  ['linux', { DISPLAY: ':0' }, { file: 'xdg-open', args: [URL_OF_CODE] }],
  ['linux', { WAYLAND_DISPLAY: 'wayland-0' }, { file: 'xdg-open', args: [URL_OF_CODE] }],
  ['linux', { DISPLAY: ':10', SSH_CONNECTION: 'a b' }, { file: 'xdg-open', args: [URL_OF_CODE] }],
  ['linux', { SSH_CONNECTION: 'a b' }, null],
  ['linux', { DISPLAY: '' }, null],
  ['darwin', {}, { file: 'open', args: [URL_OF_CODE] }],
  ['darwin', { SSH_TTY: '/dev/ttys001' }, null],
  ['win32', {}, { file: 'rundll32', args: ['url.dll,FileProtocolHandler', URL_OF_CODE] }],
  ['win32', { SSH_CLIENT: 'a' }, null],
] as const)('on %s with %o the browser is opened by %o', (platform, environment, command) => {
  expect(browserCommand(URL_OF_CODE, environment, platform)).toEqual(command);
});

test.each(['--help', 'file:///etc/passwd', 'javascript:alert(1)', '/tmp/page.html', ''])('%j is no address to open', (url) => {
  expect(browserCommand(url, { DISPLAY: ':0' }, 'linux')).toBeNull();
});

test('the address goes out in a form without quotes and blanks', () => {
  expect(browserCommand('https://kimi.com/a b"c', { DISPLAY: ':0' }, 'linux')?.args).toEqual(['https://kimi.com/a%20b%22c']);
});

test.runIf(process.platform === 'linux')(
  'the program gets the address and none of our settings, and a missing one is no error',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kmi-browser-'));
    cleanUp(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, 'bin'));
    const environment = { DISPLAY: ':0', PATH: join(folder, 'bin'), KMI_PROXY_TOKEN: 'secret', SEEN: join(folder, 'seen') };
    expect(await openBrowser(URL_OF_CODE, environment)).toBe(false);
    await writeFile(
      join(folder, 'bin', 'xdg-open'),
      '#!/bin/sh\necho "$1 [$KMI_PROXY_TOKEN]" > "$SEEN.new"\n/bin/mv "$SEEN.new" "$SEEN"\n',
      { mode: 0o700 },
    );
    expect(await openBrowser(URL_OF_CODE, environment)).toBe(true);
    expect(await eventually(() => readFile(environment.SEEN, 'utf8'))).toBe(`${URL_OF_CODE} []\n`);
  },
);
