import type { Changes, ProxyAccess } from '../../core/clients/client-environment.ts';
import { modelName } from '../../core/clients/client-environment.ts';
import { CLAUDE_DETOURS, claudeFlags, codexFlags, ownProviderFlag } from '../../core/clients/client-flags.ts';
import { describeBypass, type ModelQuestion, pickModel } from '../../core/clients/kimi-model.ts';
import { isForChats, recognizeClient } from '../../core/clients/known-clients.ts';
import { hasCredentials, hostIn, leadingElsewhere } from '../../launch/claude-route.ts';
import { type ClaudeSetting, flagValue, readClaudeSettings } from '../../launch/claude-settings.ts';
import type { CommandContext } from '../command/context.ts';
import { shownPath } from '../ui/shown-path.ts';

type Lead = {
  readonly args: readonly string[];
  readonly changes: Changes;
  /** What the person is told, a line each. */
  readonly notes: readonly string[];
};

const AS_IT_IS: Lead = { args: [], changes: new Map(), notes: [] };

/**
 * What a client needs besides the variables of its protocol to reach the proxy, because settings of its own go before them. Nothing is
 * written. What cannot be overruled is said.
 */
export async function leadClient(
  context: CommandContext,
  access: ProxyAccess,
  question: ModelQuestion,
  { program, args }: { readonly program: string; readonly args: readonly string[] },
): Promise<Lead> {
  const call = recognizeClient(program, args);
  if (call === null) return { ...AS_IT_IS, args };
  const own = args.slice(call.at);
  const { args: flags, changes, notes } = await leadKnown(context, access, { ...question, args: own }, call.client);
  return { args: [...args.slice(0, call.at), ...flags, ...own], changes, notes };
}

async function leadKnown(
  context: CommandContext,
  access: ProxyAccess,
  question: ModelQuestion,
  client: 'claude' | 'codex' | 'opencode' | 'kimi',
): Promise<Lead> {
  switch (client) {
    case 'claude':
      return leadClaude(context, access, question.args);
    case 'codex':
      return leadCodex(access, question);
    case 'kimi': {
      const bypass = describeBypass(question);
      return bypass === null ? AS_IT_IS : { ...AS_IT_IS, notes: [`this session may go around the proxy. ${bypass}`] };
    }
    case 'opencode':
      return AS_IT_IS;
  }
}

function leadCodex(access: ProxyAccess, question: ModelQuestion): Lead {
  const { args, environment } = question;
  const flag = ownProviderFlag(args);
  if (flag === null) return { ...AS_IT_IS, args: codexFlags(access, modelName(pickModel(question), environment), args) };
  if (!isForChats(args)) return AS_IT_IS;
  return { ...AS_IT_IS, notes: [`Codex bypasses the proxy: its command line chooses a provider itself (${flag}).`] };
}

async function leadClaude(context: CommandContext, access: ProxyAccess, args: readonly string[]): Promise<Lead> {
  const { environment, cwd } = context;
  const settings = await readClaudeSettings({ environment, cwd, args });
  const token: [string, string][] =
    access.token !== '' && hasCredentials(settings) ? [['ANTHROPIC_CUSTOM_HEADERS', `x-kmi-proxy-token: ${access.token}`]] : [];
  const changes = new Map(token);
  const elsewhere = leadingElsewhere(settings, access.url);
  if (elsewhere.length === 0) return { ...AS_IT_IS, changes };
  const said = elsewhere.map((setting) => describe(setting, context)).join(', ');
  if (flagValue(args) !== null || elsewhere.some(({ kind }) => kind === 'managed')) {
    return { ...AS_IT_IS, changes, notes: [`Claude Code bypasses the proxy: ${said}, which overrides kmi.`] };
  }
  const detours = CLAUDE_DETOURS.filter((name) => elsewhere.some(({ variable }) => variable === name));
  return {
    args: claudeFlags(access, detours),
    changes,
    notes: [`${said}, which Claude Code puts before the environment. For this run the proxy goes before it (--settings).`],
  };
}

/** What Claude Code, started by itself or with the variables alone, would do; null: nothing leads it elsewhere. */
export async function describeClaudeSettings(
  context: CommandContext,
  url: string,
): Promise<{ readonly text: string; readonly canBeOverruled: boolean } | null> {
  const settings = await readClaudeSettings(context);
  const elsewhere = leadingElsewhere(settings, url);
  if (elsewhere.length === 0) return null;
  const text = elsewhere.map((setting) => describe(setting, context)).join(', ');
  return { text, canBeOverruled: elsewhere.every(({ kind }) => kind !== 'managed') };
}

function describe({ variable, value, from, kind }: ClaudeSetting, context: CommandContext): string {
  const where = kind === 'flag' ? from : shownPath(from, context);
  return `${where} sets ${variable}${variable === 'ANTHROPIC_BASE_URL' ? ` (${hostIn(value)})` : ''}`;
}
