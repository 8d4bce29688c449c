import type { Config } from '../../config/settings.ts';
import { KmiError } from '../../errors.ts';
import { explainDenied } from '../../files/access.ts';

export { closeStateFolder } from '../../files/close-folder.ts';

/** An error whose cause is that the system refused a path, said as what is the matter there; any other as it is. */
export function nameObstacle(error: unknown, { stateDir, authsDir }: Pick<Config, 'stateDir' | 'authsDir'>): unknown {
  const found = explainDenied(error, [stateDir, authsDir]);
  if (found === null) return error;
  const code = error instanceof KmiError ? error.code : 'state_unusable';
  return new KmiError(code, found.text, { hint: found.fix, cause: error });
}
