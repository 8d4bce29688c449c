/** The two programs that are called `kimi`. */
export type KimiClient = 'kimi-cli' | 'kimi-code';

/** A model as the Kimi clients describe it in `KIMI_MODEL_*`. */
export type KimiModel = {
  /** The id sent to the API: "kimi-for-coding". */
  readonly name: string;
  /** Tokens; null when not said. */
  readonly maxContextSize: number | null;
  readonly capabilities: readonly string[];
};

/** What a client's own config says of its default model. */
export type ConfiguredModel = KimiModel & {
  /** Its provider speaks the Kimi protocol, so that the variables reach it. */
  readonly isKimi: boolean;
};

/** What Kimi Code takes when nothing is said; kimi-cli would assume a far smaller context. */
const DEFAULT_MODEL: KimiModel = { name: 'kimi-for-coding', maxContextSize: 262_144, capabilities: [] };

export type ModelQuestion = {
  /** Null: it could not be told which of the two is installed. */
  readonly client: KimiClient | null;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly configured: ConfiguredModel | null;
};

/**
 * The model to name in `KIMI_MODEL_*`, or null to name none. Kimi Code needs the name to make use of the other variables,
 * so it is told the model it would have used anyway. kimi-cli takes the name over the model of its config and of `-m`, so it
 * is told one only when it would have none at all.
 */
export function pickModel({ client, args, environment, configured }: ModelQuestion): KimiModel | null {
  if ((environment.KIMI_MODEL_NAME ?? '').trim() !== '') return null;
  if (client === 'kimi-cli') return configured === null && !namesModel(args) ? DEFAULT_MODEL : null;
  return configured?.isKimi === true ? configured : DEFAULT_MODEL;
}

/** The name Kimi Code gives the model of `KIMI_MODEL_*` (2.1.0). Sessions keep it. */
const MODEL_OF_VARIABLES = '__kimi_env_model__';

/**
 * How a session started this way may go around the proxy, in a sentence or two; null when it does not. Kimi Code takes a
 * model named with `-m`, and that of a session that is continued, with the provider its config gives them, whatever the
 * variables say (measured with 2.1.0). kimi-cli's variables reach providers of type `kimi` only
 * (docs/kimi-api.md#environment-variables).
 */
export function describeBypass({ client, args, configured }: ModelQuestion): string | null {
  if (client === 'kimi-code') {
    if (args.includes(MODEL_OF_VARIABLES)) return null;
    if (hasOption(args, '-m', '--model'))
      return 'Kimi Code takes a model named with -m from its own config; set KIMI_MODEL_NAME instead.';
    if (hasOption(args, '-c', '--continue', '-r', '-S', '--session')) {
      return `Kimi Code keeps the provider a session began with; add \`-m ${MODEL_OF_VARIABLES}\` to move it to the proxy.`;
    }
  }
  if (client === 'kimi-cli' && configured?.isKimi === false && !namesModel(args)) {
    return 'The default model of kimi-cli has another provider than `kimi`; name one that has it with -m.';
  }
  return null;
}

function namesModel(args: readonly string[]): boolean {
  return hasOption(args, '-m', '--model', '--config', '--config-file');
}

function hasOption(args: readonly string[], ...options: readonly string[]): boolean {
  return args.some((arg) =>
    options.some((option) => arg === option || (option.startsWith('--') && arg.startsWith(`${option}=`))),
  );
}
