import { openApp } from '../../../app.ts';
import { probeProxy } from '../../../daemon/probe.ts';
import type { Command } from '../../command/context.ts';
import { readReport } from '../status/report.ts';
import { renderHome } from './view.ts';

/** `kmi` alone in a terminal. Asks only the local proxy. */
export const run: Command<Record<string, unknown>> = async (context) => {
  const { config, environment, out, err, style, width } = context;
  const probing = probeProxy(config);
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    for (const line of renderHome(await readReport(context, app, probing), { columns: width, style })) out(line);
    return 0;
  } finally {
    await app.close();
  }
};
