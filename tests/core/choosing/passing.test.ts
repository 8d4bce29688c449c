import { expect, it } from 'vitest';
import { isMomentary, keepsActive, keepsSession } from '../../../src/core/choosing/passing.ts';

it.each([
  ['busy', true, true, true],
  ['probing', true, true, true],
  ['key_rate_limit', false, true, true],
  ['no_usage', false, true, false],
  ['tried', false, false, true],
  ['upstream', false, false, true],
  ['rate', false, false, false],
  ['quota', false, false, false],
  ['empty', false, false, false],
  ['wallet', false, false, false],
  ['disabled', false, false, false],
  ['auth', false, false, false],
] as const)('%s: momentary %s, keeps the session %s, keeps the active key %s', (reason, momentary, session, active) => {
  expect([isMomentary(reason), keepsSession(reason), keepsActive(reason)]).toEqual([momentary, session, active]);
});
