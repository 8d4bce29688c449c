import { openApp } from '../../../app.ts';
import { probeProxy } from '../../../daemon/probe.ts';
import type { Command } from '../../command/context.ts';
import { canServe, readReport } from './report.ts';
import { renderStatus } from './view.ts';

type Options = { readonly json?: boolean; readonly all?: boolean };

/** `kmi status`: asks only the local proxy. Exit 1 when no key can serve. */
export const run: Command<Options> = async (context, { json = false, all = false }) => {
  const { config, environment, out, err, style, width } = context;
  const probing = probeProxy(config);
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    const report = await readReport(context, app, probing);
    if (json) {
      const { statusToJson } = await import('./to-json.ts');
      out(JSON.stringify(statusToJson(report), null, 2));
    } else for (const line of renderStatus(report, { columns: width, style, all })) out(line);
    return canServe(report) ? 0 : 1;
  } finally {
    await app.close();
  }
};
