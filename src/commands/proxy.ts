import { openApp, type ServingApp, serve } from '../app.ts';
import { isLoopbackHost } from '../config/kinds.ts';
import { KmiError } from '../errors.ts';
import type { Command, CommandContext } from './context.ts';
import { openSimulatedApp } from './simulated-app.ts';

type Options = { readonly foreground?: boolean; readonly simulateWithoutKeys?: boolean };

/** `kmi proxy`: serves until it is told to stop; open streams finish first. */
export const run: Command<Options> = async (context, options) => {
  const { config, err, errStyle: style } = context;
  const app = await openApp(config, { warn: (message) => err(`kmi: ${message}`) });
  if (app.registry.keys.length > 0)
    return serveUntilStopped(context, await serve(app), await describeKeys(context, app.registry));
  if (options.simulateWithoutKeys !== true) {
    throw new KmiError('no_keys', `There are no keys in ${config.authsDir}.`);
  }
  const simulated = await openSimulatedApp(config, { environment: context.environment });
  try {
    return await serveUntilStopped(context, await serve(simulated.app), [
      `${style.warn('Simulated upstream')}: there are no keys in ${config.authsDir}, so three made-up accounts answer.`,
      'To use your own, stop this and add a file there, for example mine.env with the line KMI_API_KEY=sk-...',
      `Then set KMI_DRY_RUN=0 in .env: without it the proxy only simulates (see \`kmi config\`).`,
    ]);
  } finally {
    await simulated.close();
  }
};

async function describeKeys(
  { config, errStyle: style }: CommandContext,
  registry: { keys: readonly unknown[]; skipped: readonly unknown[] },
): Promise<string[]> {
  const mode = config.dryRun
    ? `${style.warn('Dry-run')}: nothing is sent to the upstream. Set KMI_DRY_RUN=0 for live traffic.`
    : `${style.good('Live')}: requests go to the upstream.`;
  const skipped = registry.skipped.length === 0 ? '' : `, ${registry.skipped.length} auth files skipped (see \`kmi doctor\`)`;
  return [mode, `${registry.keys.length} ${registry.keys.length === 1 ? 'key' : 'keys'}${skipped}.`];
}

async function serveUntilStopped(
  { config, err, errStyle: style }: CommandContext,
  serving: ServingApp,
  lines: readonly string[],
): Promise<number> {
  const { proxy } = serving;
  err(`${style.strong('kmi proxy')} serves ${style.accent(proxy.baseUrl)}`);
  for (const line of lines) err(line);
  if (!isLoopbackHost(config.proxyListen.host)) err(style.warn('Other machines can reach this address.'));
  err(`Point a client at it: KIMI_BASE_URL=${proxy.baseUrl}   Stop: Ctrl+C`);
  await stopSignal();
  err('Stopping: open requests finish first. Ctrl+C again ends them.');
  const second = stopSignal().then(() => serving.kill());
  await Promise.race([serving.stop(), second]);
  return 0;
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
