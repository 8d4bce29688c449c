import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryHome } from './home.ts';
import { allowNodeWarning, nodeWarningIn } from './node-warnings.ts';
import { runKmi } from './spawn.ts';

it.each([
  ['(node:23513) MaxListenersExceededWarning: Possible EventTarget memory leak detected.', true],
  ['(node:7) [DEP0190] DeprecationWarning: Passing args to a child process', true],
  ['(node:7) Warning: Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable', true],
  ['(node:7) TimeoutOverflowWarning: 4000000000 does not fit into a 32-bit signed integer.', true],
  ['kmi: Warning: this is a message of our own', false],
  ['the text (node:7) Warning: in a line', false],
])('%s: %s', (line, isWarning) => {
  expect(nodeWarningIn(`before\n${line}\nafter\n`)).toBe(isWarning ? line : null);
});

it('a process that prints one fails whoever runs it', async () => {
  const { root } = await temporaryHome();
  const script = join(root, 'warns.mjs');
  writeFileSync(script, `process.emitWarning('too much', 'StrangeWarning');`);
  await expect(runKmi(['x'], { script })).rejects.toThrow(/`kmi x` printed a warning of Node's:\n.*StrangeWarning: too much/);
  allowNodeWarning(/StrangeWarning: too much/);
});
