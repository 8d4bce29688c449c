import type { Config } from '../config/settings.ts';
import type { Strategy } from '../core/choosing/strategy.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

export type SetupFacts = {
  /** "20.19.0" */
  readonly nodeVersion: string;
  readonly envFile: string | null;
  /** What was written for kmi, into settings and auth files, and is not used; a sentence each. */
  readonly notUsed: readonly string[];
  readonly config: Pick<Config, 'dryRun' | 'autoRotateAllowed' | 'isSimulated'>;
  /** Auto-rotation is on in the state. */
  readonly autoRotate: boolean;
  /** How auto-rotation picks a key when it is on. */
  readonly strategy: Strategy;
};

/** `engines` in package.json. */
const NODE_MINIMUM = [20, 19] as const;

export function checkSetup(facts: SetupFacts): readonly Finding[] {
  return [checkNode(facts), checkEnvFile(facts), ...checkNotUsed(facts), checkDryRun(facts), checkAutoRotate(facts)];
}

function checkNode({ nodeVersion }: SetupFacts): Finding {
  const { ok, fail } = answersOf('Setup', 'node_version');
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  const [wantedMajor, wantedMinor] = NODE_MINIMUM;
  const isEnough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return isEnough
    ? ok(`Node ${nodeVersion}.`)
    : fail(`Node ${nodeVersion} is too old.`, `Install Node ${wantedMajor}.${wantedMinor} or newer.`);
}

function checkEnvFile({ envFile }: SetupFacts): Finding {
  const { ok, info } = answersOf('Setup', 'env_file');
  return envFile === null
    ? info('No .env file here: settings come from the environment and the defaults.', '`kmi config --all` shows them.')
    : ok(`Settings come from ${envFile} and the environment.`);
}

function checkNotUsed({ notUsed }: SetupFacts): readonly Finding[] {
  if (notUsed.length === 0) return [];
  const { warn } = answersOf('Setup', 'not_used');
  return [warn('Set for kmi but not used:', 'Correct or remove it; `kmi config` shows what is in force.', shorten(notUsed))];
}

function checkDryRun({ config }: SetupFacts): Finding {
  const { ok, info, warn } = answersOf('Setup', 'dry_run');
  if (config.isSimulated === true) {
    return info(
      'Simulated: made-up accounts answer; nothing is sent to the upstream.',
      '`kmi up` takes a key of your own, then `kmi restart`.',
    );
  }
  return config.dryRun
    ? warn('Dry-run: the proxy answers by itself and sends nothing to the upstream.', '`kmi config set KMI_DRY_RUN 0` goes live.')
    : ok('Live: requests go to the upstream.');
}

function checkAutoRotate({ config, autoRotate, strategy }: SetupFacts): Finding {
  const { ok, info, warn } = answersOf('Setup', 'auto_rotate');
  if (autoRotate && !config.autoRotateAllowed) {
    return warn(
      'Auto-rotation is on, but KMI_AUTO_ROTATE_ALLOWED does not allow it: requests stay with the active key.',
      "Read the provider's terms, then `kmi config set KMI_AUTO_ROTATE_ALLOWED 1`, or run `kmi rotate off`.",
    );
  }
  if (autoRotate) return ok(`Auto-rotation is allowed and on: ${strategy}.`);
  if (config.autoRotateAllowed) return info('Auto-rotation is allowed and off.', '`kmi rotate auto` turns it on.');
  return info("Auto-rotation is off and not allowed: requests stay with the active key until it can't serve.");
}
