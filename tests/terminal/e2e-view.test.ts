import { describe, expect, it } from 'vitest';
import { renderE2e } from '../../src/cli/rotation/e2e/view.ts';
import { createStyle } from '../../src/cli/ui/style.ts';
import type { RotationCheck } from '../../src/core/trace/rotation-check.ts';
import { VARIANTS } from './view-variants.ts';

const even: RotationCheck = {
  sent: 50,
  answered: 50,
  failures: [],
  traced: 50,
  turns: 'keys',
  distribution: {
    total: 50,
    counts: [
      ['ada', 17],
      ['ben', 17],
      ['cleo', 16],
    ],
    confidence: 96,
  },
  judged: 50,
  confidence: 96,
  isEven: true,
  sole: null,
  passedOver: [],
};

const uneven: RotationCheck = {
  ...even,
  answered: 47,
  failures: [
    ['HTTP 503', 2],
    ['no answer in time', 1],
  ],
  distribution: {
    total: 48,
    counts: [
      ['ada', 32],
      ['ben', 14],
      ['cleo', 2],
    ],
    confidence: 0,
  },
  confidence: 60.9,
  isEven: false,
  passedOver: [{ key: 'cleo', reasons: ['quota', 'rate'] }],
};

const style = createStyle({ color: false, plain: true });
const told = (check: RotationCheck) => renderE2e(check, { width: 200, style }).join('\n');

describe.each(VARIANTS)('%s', (_name, view) => {
  it('shows an even rotation', () => {
    expect(renderE2e(even, view).join('\n')).toMatchSnapshot();
  });

  it('shows an uneven one with failures and a key on cooldown', () => {
    expect(renderE2e(uneven, view).join('\n')).toMatchSnapshot();
  });
});

it.each([
  [{ ...even, turns: 'nobody', confidence: null, isEven: false }, 'Auto-rotation is off'],
  [{ ...even, traced: 0 }, 'the proxy that answered writes to a different trace'],
  [{ ...even, traced: 0, answered: 0 }, 'No request reached the choice of a key.'],
  [{ ...even, confidence: 88 }, 'as even as these requests divide by the keys'],
  [{ ...even, confidence: null, isEven: false }, 'nothing to judge'],
  [
    { ...even, confidence: null, isEven: false, sole: 'home' },
    'Only home could serve, so nothing can be said about the rotation.',
  ],
  [{ ...even, confidence: null, isEven: false, sole: 'home', turns: 'accounts' }, 'Only the account of home could serve'],
  [{ ...even, judged: 20 }, 'Confidence 96.0 % over the newest 20: the rotation is even.'],
  [{ ...even, turns: 'accounts' }, 'the turns of the accounts are even. Sessions, which stay with their account,'],
  [{ ...uneven, sent: 50 }, '47 of 50 requests were answered. 2 reached no key.'],
] as const)('it says what the figures mean', (check, words) => {
  expect(told(check)).toContain(words);
});

it('a pool of thousands is summed up', () => {
  const counts = Array.from({ length: 5000 }, (_, n) => [`key-${n}`, 1] as const);
  const text = told({ ...even, distribution: { total: 5000, counts, confidence: 100 } });
  expect(text).toContain('and 4960 keys more');
});
