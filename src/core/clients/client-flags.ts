/** Arguments that name a provider: the user wants that one. */
const OWN_PROVIDER = /^(--oss|--local-provider(=.*)?|-p|--profile(=.*)?|(-c|--config=)?model_provider=.*)$/;
const OWN_MODEL = /^(-m|--model(=.*)?|(-c|--config=)?model=.*)$/;

/**
 * What points Codex at the proxy: it reads no base URL from the environment, and its flags go before its config file. Empty when
 * the command line names a provider itself. The key stays in the environment, where other users do not see it.
 */
export function codexFlags({ url }: { readonly url: string }, model: string, args: readonly string[]): readonly string[] {
  if (ownProviderFlag(args) !== null) return [];
  const provider = `{name="kmi",base_url=${JSON.stringify(url)},wire_api="responses",env_key="OPENAI_API_KEY"}`;
  const values = [
    'model_provider="kmi"',
    `model_providers.kmi=${provider}`,
    // A search that OpenAI's servers run: other providers have no such tool.
    ...(args.some((arg) => arg.includes('web_search')) ? [] : ['web_search="disabled"']),
    ...(args.some((arg) => OWN_MODEL.test(arg)) ? [] : [`model=${JSON.stringify(model)}`]),
  ];
  return values.flatMap((value) => ['-c', value]);
}

/** The argument by which a command line of Codex names a provider itself, without its value; null: it names none. */
export function ownProviderFlag(args: readonly string[]): string | null {
  const named = args.find((arg) => OWN_PROVIDER.test(arg));
  return named === undefined ? null : named.replace(/=.*$/s, '');
}

/** Variables by which Claude Code goes to another provider than the one of its base URL. */
export const CLAUDE_DETOURS = ['CLAUDE_CODE_USE_BEDROCK', 'CLAUDE_CODE_USE_VERTEX', 'CLAUDE_CODE_USE_FOUNDRY'] as const;

/** The base URL of Anthropic's SDK and of Claude Code, which add `/v1/messages` themselves. */
export function anthropicUrl(url: string): string {
  return url.replace(/\/v1$/, '');
}

/**
 * What puts the proxy before the settings files of Claude Code (2.1): variables in those go before the environment, and
 * `--settings` goes before all of them but managed ones. No key: arguments are seen by other users.
 */
export function claudeFlags({ url }: { readonly url: string }, detours: readonly string[]): readonly string[] {
  const env = { ANTHROPIC_BASE_URL: anthropicUrl(url), ...Object.fromEntries(detours.map((name) => [name, '0'])) };
  return ['--settings', JSON.stringify({ env })];
}
