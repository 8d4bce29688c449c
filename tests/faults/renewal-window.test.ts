import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loginPath } from '../../src/logins/login-store.ts';
import type { PostForm } from '../../src/logins/logins.ts';
import { loginStage } from '../logins/stage.ts';
import { soon } from '../support/soon.ts';
import { measured, sized } from './form.ts';

/**
 * What a crash may cost: the answer with the new tokens is here, and they are not in their file yet. Whatever ends the process then
 * loses the login (docs/kimi-api.md#sharing-a-login).
 */

const RENEWALS = sized(20, 200);

const { rename } = files;
/** When a file came to this path last, in ms of the monotonic clock. */
const renamedAt = new Map<string, number>();

beforeAll(() => {
  files.rename = async (from, to) => {
    await rename(from, to);
    renamedAt.set(String(to), performance.now());
  };
  syncBuiltinESMExports();
});

afterAll(() => {
  files.rename = rename;
  syncBuiltinESMExports();
});

it.each(['own', 'kimi-code'] as const)('from the answer until the new tokens are in their file (%s)', async (kind) => {
  const stage = await loginStage();
  let answeredAt = 0;
  const post: PostForm = async (...call) => {
    const answer = await stage.post(...call);
    answeredAt = performance.now();
    return answer;
  };
  const logins = stage.another({ post });
  const { login, tokens } = kind === 'own' ? await stage.addOwn() : await stage.addSlot();
  const file = login.file ?? loginPath(stage.stateDir, login.id);
  const windows: number[] = [];
  let refusedToken = tokens.accessToken;
  for (let n = 0; n < RENEWALS; n += 1) {
    const renewal = await logins.renew(login.id, { refusedToken });
    if (renewal.kind !== 'renewed') throw new Error(`Renewal ${n} was ${renewal.kind}.`);
    refusedToken = renewal.tokens.accessToken;
    windows.push((renamedAt.get(file) ?? Number.NaN) - answeredAt);
  }
  // Each time the file came anew, after the answer.
  expect(Math.min(...windows)).toBeGreaterThan(0);
  const [median = 0, max] = [windows.toSorted((a, b) => a - b)[Math.floor(RENEWALS / 2)], Math.max(...windows)];
  expect(median).toBeLessThan(soon(50));
  measured('answer to renamed file', { kind, renewals: RENEWALS, medianMs: median, maxMs: max });
});
