import { expect, it } from 'vitest';
import { UploadedFiles } from '../../../src/core/sessions/uploaded-files.ts';

it('uploaded files are remembered up to a number, the first one forgotten first', () => {
  const files = new UploadedFiles(3);
  for (const n of [1, 2, 3, 4]) files.set(`f${n}`, `a${n}`);
  files.set('f2', 'b');
  files.set('f5', 'a5');
  expect([...files.entries()]).toEqual([
    ['f4', 'a4'],
    ['f2', 'b'],
    ['f5', 'a5'],
  ]);
  expect([files.accountOf('f1'), files.latestAccount()]).toEqual([null, 'a5']);
});

it('uploaded files follow their account to its new name, and what is known here outlives what others know', () => {
  const files = new UploadedFiles(3);
  files.set('f1', 'key:a');
  files.set('f2', 'b');
  files.renameAccounts(new Map([['key:a', 'a']]));
  files.merge([
    ['f0', 'z'],
    ['f2', 'other'],
    ['f9', 'z'],
  ]);
  expect([...files.entries()]).toEqual([
    ['f9', 'z'],
    ['f1', 'a'],
    ['f2', 'b'],
  ]);
  expect(files.latestAccount()).toBe('b');
});

it('the latest file and the latest batch are two things, and what is only noted is neither', () => {
  const files = new UploadedFiles();
  files.set('f1', 'a');
  files.set('batch_1', 'b', 'batch');
  files.note('out', 'c');
  expect([files.latestAccount('file'), files.latestAccount('batch')]).toEqual(['a', 'b']);
  const again = new UploadedFiles();
  again.merge([...files.entries()].slice(0, 2));
  expect([again.latestAccount('file'), again.latestAccount('batch')]).toEqual(['a', 'b']);
});
