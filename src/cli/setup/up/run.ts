import { loadKeys } from '../../../app-keys.ts';
import { loadConfig } from '../../../config/load.ts';
import { proxyUrl } from '../../../daemon/probe.ts';
import { KmiError } from '../../../errors.ts';
import { lacksToken, requireProxy, sayLackedToken } from '../../clients/proxied-client.ts';
import { type Command, type CommandContext, createContext } from '../../command/context.ts';
import { noKeys } from '../../proxy/no-keys.ts';
import { describeDifferences, describeOtherKeys } from '../../proxy/proxy-words.ts';
import { ofRunningProxy } from '../../proxy/running-proxy.ts';
import { renderFields, viewWidth } from '../../ui/panel.ts';
import { wrapPainted } from '../../ui/width.ts';
import { clientFields } from '../../words/client-lines.ts';
import { renderMode } from '../../words/mode-line.ts';

/** `kmi up`: asks for the first key when there is none, starts the proxy when none runs, and says how clients get there. Throws `no_keys` and what a start throws. */
export const run: Command<Record<string, unknown>> = async (given) => {
  let own = given;
  if (!(await hasKeys(own))) {
    const code = await askForKey(own);
    if (code !== 0) return code;
    own = readAnew(own);
  }
  const { pid } = (await requireProxy(await ofRunningProxy(own))).probe;
  const context = await ofRunningProxy(own);
  const { config, proxy, out, err, style, width } = context;
  const head = `${style.strong('kmi proxy')} serves ${style.accent(proxyUrl(config))} (pid ${pid}).`;
  for (const text of [head, renderMode(config, style)]) for (const line of wrapPainted(text, viewWidth(width))) out(line);
  const fields = clientFields(proxyUrl(config), config.proxyToken !== '' || proxy?.asksToken === true, style);
  for (const line of renderFields(fields, viewWidth(width) - 2, style)) out(`  ${line}`);
  if (lacksToken(context)) sayLackedToken(context);
  if (proxy != null) for (const line of notesOf(proxy, own)) err(line);
  return 0;
};

/** Keys of this folder, or of a proxy that runs on real ones. */
async function hasKeys(own: CommandContext): Promise<boolean> {
  const running = await ofRunningProxy(own);
  const { config } = running.config.isSimulated === true ? own : running;
  return (await loadKeys(config)).keys.length > 0;
}

async function askForKey(own: CommandContext): Promise<number> {
  if (process.stdin.isTTY !== true) {
    const error = noKeys(own.config, await loadKeys(own.config));
    throw new KmiError('no_keys', error.message, {
      hint: 'Run `kmi up` in a terminal, log in with `kmi login`, or give a key on standard input: `kmi init --key-stdin --yes < file-with-the-key`.',
    });
  }
  const { initialise } = await import('../init/run.ts');
  const code = await initialise(own, {}, { saysNext: false });
  if (code === 0) own.out('');
  return code;
}

/** The context with the settings that have just been written. */
function readAnew({ environment, cwd, cwdProblem, config }: CommandContext): CommandContext {
  const flags = { plain: config.plain, color: !config.noColor };
  return createContext(loadConfig(environment, cwd), flags, { environment, folder: { path: cwd, problem: cwdProblem } });
}

/** What the proxy that ran already does not do as it would be done here. */
function notesOf(proxy: NonNullable<CommandContext['proxy']>, own: CommandContext): readonly string[] {
  if (proxy.settings.isSimulated === true) {
    const keys = describeOtherKeys({ ...own, proxy });
    return keys === null ? [] : [`kmi: ${keys} \`kmi restart\` puts your own to use.`];
  }
  return describeDifferences(proxy, own);
}
