import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openTerminal } from '../support/tmux.ts';

/** Tests of which some fail, run by retries.test.ts in a vitest of its own. */

const tries = { terminal: 0, usual: 0, hopeless: 0 };

it('in a terminal', async () => {
  tries.terminal += 1;
  await openTerminal();
  expect(tries.terminal, 'too late').toBe(2);
});

it('in a terminal, in vain', async () => {
  tries.hopeless += 1;
  await openTerminal();
  expect.fail(`try ${tries.hopeless}`);
});

it('without one', () => {
  tries.usual += 1;
  expect(tries.usual).toBe(2);
});

it('a property', () => {
  fc.assert(fc.property(fc.integer(), (number) => number < 1000));
});

it('a property with a seed of its own', () => {
  fc.assert(
    fc.property(fc.integer(), (number) => number < 1000),
    { seed: 7 },
  );
});
