import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { SETTINGS } from '../../config/settings.ts';
import type { SecretSet } from '../../core/text/secret-set.ts';

/**
 * An uncaught error ends the process as usual, but its text goes through the filter before it is printed: an error may
 * contain anything, and the background proxy's output is kept in a file. Its lines begin with `stamp`.
 */
export function redactCrashes(secrets: SecretSet, stamp: () => string): void {
  process.on('uncaughtException', (error) => {
    const text = secrets.redact(inspect(error));
    writeSync(2, `${stamp()}kmi: something unexpected went wrong, and the proxy ends: ${text}\n`);
    process.exit(1);
  });
}

const PROXY_VARIABLE = /^(?:https?|all)_proxy$/i;

/**
 * Takes what was read out of this process's own environment, once nothing needs it there any more: Node's diagnostic
 * reports list every variable.
 */
export function forgetSecretVariables(environment: NodeJS.ProcessEnv): void {
  const secret = new Set(Object.values(SETTINGS).flatMap((row) => (row.secret ? [row.variable] : [])));
  for (const name of Object.keys(environment)) {
    if (secret.has(name) || (PROXY_VARIABLE.test(name) && environment[name]?.includes('@'))) delete environment[name];
  }
}
