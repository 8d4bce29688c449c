import type { Key } from '../../core/keys/key.ts';
import { KmiError } from '../../errors.ts';
import { looksLikeKey } from '../../keys/key-text.ts';
import type { Registry } from '../../keys/registry.ts';

const SHOWN_LABELS = 8;

/** The keys of these labels, each once, in the order named; a label may differ in case where that is unambiguous. Throws `unknown_key`. */
export function findKeys({ keys, byLabel }: Registry, labels: readonly string[]): readonly Key[] {
  const found = labels.map((label) => {
    refuseKeyAsArgument(label);
    const exact = byLabel.get(label);
    if (exact !== undefined) return exact;
    const similar = keys.filter((key) => key.label.toLowerCase() === label.toLowerCase());
    if (similar.length === 1) return similar[0] as Key;
    throw new KmiError('unknown_key', `There is no key called ${label}.`, { hint: labelsHint(keys) });
  });
  return [...new Set(found)];
}

function labelsHint(keys: readonly Key[]): string {
  if (keys.length === 0) return 'There are no keys yet; `kmi keys add` adds one.';
  const shown = keys.slice(0, SHOWN_LABELS).map(({ label }) => label);
  const more = keys.length > SHOWN_LABELS ? ` and ${keys.length - SHOWN_LABELS} more; see \`kmi keys list\`` : '';
  return `Labels: ${shown.join(', ')}${more}.`;
}

/** A key on the command line is seen by every program on the machine and stays in the shell's history. Never repeats it. */
export function refuseKeyAsArgument(text: string | undefined): void {
  if (text === undefined || !looksLikeKey(text)) return;
  throw new KmiError('bad_usage', 'That looks like a key. A key is never given as an argument, and this one was not used.', {
    hint: "It is now in the shell's history: delete it there, or better make a new key. `kmi keys add` asks for it, hidden, or reads it from standard input.",
  });
}
