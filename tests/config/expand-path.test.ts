import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { expandPath } from '../../src/config/expand-path.ts';
import { loadConfig } from '../../src/config/load.ts';
import { KmiError } from '../../src/errors.ts';

const ENVIRONMENT = { HOME: '/home/ada', XDG_STATE_HOME: '/state', USER: 'ada', TMPDIR: '', SECRET: 'sk-kimi-0123456789' };

test.each([
  ['$HOME/.kmi', '/home/ada/.kmi'],
  [`\${HOME}/.kmi`, '/home/ada/.kmi'],
  ['%HOME%/.kmi', '/home/ada/.kmi'],
  ['$env:HOME/.kmi', '/home/ada/.kmi'],
  ['$XDG_STATE_HOME/kmi', '/state/kmi'],
  ['/var/$USER/kmi', '/var/ada/kmi'],
  ['"/a b/c"', '/a b/c'],
  ['"$HOME"/.kmi', '/home/ada/.kmi'],
  ["/home/o'brien", "/home/o'brien"],
  ['/srv/C$/kmi', '/srv/C$/kmi'],
  ['/srv/100%/kmi', '/srv/100%/kmi'],
])('%s is %s', (written, path) => {
  expect(expandPath(written, ENVIRONMENT)).toBe(path);
});

test('the home folder has several names, also where no variable holds it', () => {
  for (const written of ['~', '$HOME', '%USERPROFILE%', `\${USERPROFILE}`]) expect(expandPath(written, {})).toBe(homedir());
  expect(expandPath(`~${userInfo().username}/x`, {})).toBe(join(homedir(), 'x'));
  expect(expandPath('./~', {})).toBe(resolve('./~'));
});

test.each([
  '$UNKNOWN/kmi',
  `\${UNKNOWN}/kmi`,
  '%UNKNOWN%/kmi',
  '$TMPDIR/kmi',
  '$SECRET/kmi',
  `\${XDG_DATA_HOME:-/home/ada}/kmi`,
  '$(pwd)/kmi',
  '`pwd`/kmi',
  '~somebody-else/kmi',
  'file:///home/ada/.kmi',
  '/home/ada\n/.kmi',
  '"/home/ada',
])('%j names no folder that anybody means', (written) => {
  expect(expandPath(written, ENVIRONMENT)).toBeNull();
});

test.skipIf(process.platform === 'win32')('a path of Windows is none here', () => {
  for (const written of ['C:\\Users\\ada', 'C:/Users/ada', '%HOME%\\.kmi', '~\\.kmi']) {
    expect(expandPath(written, ENVIRONMENT)).toBeNull();
  }
});

test.each(['KMI_AUTHS_DIR', 'KMI_STATE_DIR', 'KMI_PROXY_TLS_CERT', 'KMI_PROXY_TLS_KEY', 'KMI_ENV_PATH'])(
  '%s is refused by name when its variable is not known',
  (variable) => {
    const load = () => loadConfig({ ...ENVIRONMENT, [variable]: '$NOWHERE/x' }, '/nonexistent');
    expect(load).toThrow(KmiError);
    expect(load).toThrow(new RegExp(`${variable}=\\$NOWHERE/x {2}accepted: a path`));
  },
);
