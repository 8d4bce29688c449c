import { looksLikeKey } from './key-text.ts';

const LONGEST_LABEL = 64;

/** What is wrong with a label for a new or renamed key, as a sentence; null when nothing is. Labels of existing files may be freer. */
export function problemOfLabel(label: string): string | null {
  if (label === '') return 'A label cannot be empty.';
  if (looksLikeKey(label)) return 'That looks like a key, not like a label.';
  if ([...label].length > LONGEST_LABEL) return `A label has at most ${LONGEST_LABEL} characters.`;
  if (!/^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]*$/u.test(label)) {
    return 'A label is made of letters, digits and . _ @ + -, and begins with a letter or digit.';
  }
  if (label in Object.prototype) return 'That name is taken by the system.';
  return null;
}

/** A free label: the first part of the email, else `main`, `key-2`, `key-3`. */
export function suggestLabel(taken: readonly string[], email: string | null = null): string {
  const used = new Set(taken.map((label) => label.toLowerCase()));
  const isFree = (label: string) => problemOfLabel(label) === null && !used.has(label.toLowerCase());
  const first = [email?.split('@')[0] ?? '', ...(taken.length === 0 ? ['main'] : [])].find(isFree);
  if (first !== undefined) return first;
  let number = taken.length + 1;
  while (!isFree(`key-${number}`)) number += 1;
  return `key-${number}`;
}

/** A free label for a login: the first part of the email, else the nickname, else `login`; then the same with `-2`, `-3`. */
export function suggestLoginLabel(
  taken: readonly string[],
  { email, nickname }: { readonly email: string | null; readonly nickname: string | null },
): string {
  const used = new Set(taken.map((label) => label.toLowerCase()));
  const names = [email?.split('@')[0] ?? '', (nickname ?? '').trim().replace(/\s+/g, '-')];
  // Room for a number, so that a long name can have one.
  const name = names.find((each) => each.length <= LONGEST_LABEL - 8 && problemOfLabel(each) === null) ?? 'login';
  let label = name;
  for (let number = 2; used.has(label.toLowerCase()); number += 1) label = `${name}-${number}`;
  return label;
}

/**
 * Which labels changed between two looks at the folder, old to new; keys are told apart by their hash. Removing or renaming the
 * first of two keys with one label also renames the second (`work-2` becomes `work`).
 */
export function movedLabels(
  before: readonly { readonly label: string; readonly hash: string }[],
  after: readonly { readonly label: string; readonly hash: string }[],
): ReadonlyMap<string, string> {
  const now = new Map(after.map(({ hash, label }) => [hash, label]));
  const moved = before.flatMap(({ hash, label }): [string, string][] => {
    const next = now.get(hash);
    return next === undefined || next === label ? [] : [[label, next]];
  });
  return new Map(moved);
}
