import { createInterface } from 'node:readline';
import { defaultConfig } from '../../src/config/settings.ts';
import { fingerprintOf } from '../../src/logins/login.ts';
import { readLogins } from '../../src/logins/login-keys.ts';
import { Logins } from '../../src/logins/logins.ts';
import { plainForm } from '../../src/proxy/upstream/plain-form.ts';
import { Upstreams } from '../../src/proxy/upstream/upstreams.ts';
import { withFileLock } from '../../src/state/file-lock.ts';

// Usage: renew-child <stateDir> <id>, then lines on standard input:
//   renew <fingerprint of an access token>   renews as after a 401 with that token; prints what came of it
//   loop                                     renews over and over, without a word, until it is killed
// Prints kinds and fingerprints, never a token.
const [stateDir = '', id = ''] = process.argv.slice(2);
const upstreams = new Upstreams(defaultConfig(), {});
const logins = new Logins({
  stateDir,
  clock: Date.now,
  post: (url, form, options) => plainForm(upstreams, url, form, options),
  lock: withFileLock,
  onSecret: () => undefined,
  oauthHost: null,
  overridesSlots: false,
});

async function accessToken(): Promise<string> {
  return (await readLogins(stateDir)).find(({ login }) => login.id === id)?.tokens?.accessToken ?? '';
}

console.log('ready');
// Read before the word to begin, so that all children mean the same token.
let refusedToken = await accessToken();
for await (const line of createInterface({ input: process.stdin })) {
  const [word, fingerprint] = line.split(' ');
  while (word === 'loop') await logins.renew(id, { refusedToken: await accessToken() });
  while (fingerprintOf(refusedToken) !== fingerprint) refusedToken = await accessToken();
  const renewal = await logins.renew(id, { refusedToken });
  const tokens = renewal.kind === 'renewed' || renewal.kind === 'current' ? renewal.tokens : null;
  console.log(`${renewal.kind} ${tokens === null ? '' : fingerprintOf(tokens.accessToken)}`);
  if (tokens !== null) refusedToken = tokens.accessToken;
}
