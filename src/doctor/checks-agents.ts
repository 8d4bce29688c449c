import { answersOf, type Finding } from './finding.ts';

/** Coding agents that do not go by the variables of their protocol alone. */
export type AgentFacts = {
  /** What Claude Code's own settings say against the proxy; null: nothing. */
  readonly claude: { readonly text: string; readonly canBeOverruled: boolean } | null;
  /** On the PATH. */
  readonly hasCodex: boolean;
  readonly hasOpenCode: boolean;
};

/** Would they reach the proxy? */
export function checkAgents({ claude, hasCodex, hasOpenCode }: AgentFacts): readonly Finding[] {
  return [
    ...(claude === null ? [] : [checkClaude(claude)]),
    ...(hasCodex ? [startedByRun('codex', 'Codex reads no base URL from the environment.')] : []),
    ...(hasOpenCode ? [startedByRun('opencode', 'OpenCode goes to the provider of its own config.')] : []),
  ];
}

function checkClaude({ text, canBeOverruled }: NonNullable<AgentFacts['claude']>): Finding {
  return answersOf('Clients', 'client_settings').warn(
    `Claude Code bypasses the proxy: ${text}, which overrides the environment.`,
    canBeOverruled
      ? '`kmi run -- claude` overrules it; or take the line out.'
      : 'Managed settings cannot be overridden: ask your administrator.',
  );
}

function startedByRun(program: string, text: string): Finding {
  return answersOf('Clients', 'client_settings').info(text, `\`kmi run -- ${program}\` starts it through the proxy.`);
}
