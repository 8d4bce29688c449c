import { relative } from 'node:path';
import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import type { Registry } from '../../keys/registry.ts';

/** There is no key to serve with: none at all, or none that can be used, and then why. */
export function noKeys({ authsDir }: Config, { skipped: [first, ...more] }: Pick<Registry, 'skipped'>): KmiError {
  if (first === undefined) return new KmiError('no_keys', `There are no keys in ${authsDir}.`);
  const count = more.length === 1 ? '1 more file gives' : `${more.length} more files give`;
  const others = more.length === 0 ? '' : ` ${count} no key either; \`kmi doctor\` names all.`;
  return new KmiError(
    'no_keys',
    `There are no usable keys in ${authsDir}. ${relative(authsDir, first.file) || first.file}: ${first.detail}${others}`,
    { hint: 'Correct the file, log in with `kmi login`, or add a key with `kmi keys add`.' },
  );
}
