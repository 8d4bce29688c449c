import { type App, openApp } from '../../../app.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { removePidFile } from '../../../daemon/pid-file.ts';
import { summarize } from '../../../doctor/finding.ts';
import { describeRepair, type Repair } from '../../../doctor/repairs.ts';
import { examine } from '../../../doctor/run.ts';
import { KmiError, reasonOf } from '../../../errors.ts';
import { hardenPermissions } from '../../../files/private.ts';
import { VERSION } from '../../../version.ts';
import type { Command, CommandContext } from '../../command/context.ts';
import { saveState } from '../../command/save-state.ts';
import { gatherInput, hasRunOut } from './input.ts';
import { clearBlocks, type Recheck, recheckKeys } from './keys.ts';
import { openNetwork } from './network.ts';
import { type DoctorReport, renderDoctor } from './view.ts';

type Options = {
  readonly json?: boolean;
  readonly fix?: boolean;
  readonly recheckKeys?: boolean;
  readonly clearBlocklist?: boolean;
};

/** `kmi doctor`: exit 1 when a check fails. */
export const run: Command<Options> = async (context, options) => {
  const { json = false } = options;
  if (options.recheckKeys === true && options.clearBlocklist === true) {
    throw new KmiError('bad_usage', '--recheck-keys and --clear-blocklist cannot stand together.');
  }
  const { config, environment, out, err, style, width } = context;
  const app = await openApp(config, { environment, looksOn: true, harden: false, warn: (message) => err(`kmi: ${message}`) });
  try {
    const report = await treat(context, app, options);
    const lines = json ? [JSON.stringify(toJson(context, report), null, 2)] : renderDoctor(report, { columns: width, style });
    for (const line of lines) out(line);
    return report.summary.fail > 0 ? 1 : 0;
  } finally {
    await app.close();
  }
};

/** Does what was asked for, then examines what is left. */
async function treat(context: CommandContext, app: App, options: Options): Promise<DoctorReport> {
  const actions: string[] = [];
  const isAsked = options.recheckKeys === true;
  const network = isAsked || !app.config.dryRun ? await openNetwork(app) : null;
  try {
    if (options.clearBlocklist === true) actions.push(...orElse('No key was blocked.', unblockedText(clearBlocks(app))));
    const recheck = isAsked && network !== null ? await recheckKeys(app, network.get) : null;
    if (recheck !== null) actions.push(...describeRecheck(recheck));
    const learned = { network, rechecked: recheck?.rechecked ?? null, accounts: recheck?.accounts ?? new Map<string, string>() };
    let { findings, repairs } = await examine(await gatherInput(context, app, learned));
    if (options.fix === true) {
      if (repairs.length === 0) actions.push('There was nothing to fix.');
      for (const repair of repairs) actions.push(await mend(app, repair));
    }
    await saveState(app);
    if (options.fix === true && repairs.length > 0) {
      ({ findings, repairs } = await examine(await gatherInput(context, app, learned)));
    }
    return { version: VERSION, findings, summary: summarize(findings), actions };
  } finally {
    await network?.close();
  }
}

function unblockedText(labels: readonly string[]): string[] {
  return labels.length === 0 ? [] : [`Unblocked ${labels.join(', ')}.`];
}

function describeRecheck({ unblocked, offCooldown }: Recheck): string[] {
  const ended = offCooldown.length === 0 ? [] : [`Ended the cooldown of ${offCooldown.join(', ')}: there is quota again.`];
  return orElse('No key was unblocked, and no cooldown ended.', [...unblockedText(unblocked), ...ended]);
}

function orElse(none: string, actions: string[]): string[] {
  return actions.length === 0 ? [none] : actions;
}

async function mend({ config, store, clock }: App, repair: Repair): Promise<string> {
  try {
    switch (repair.kind) {
      case 'close_permissions':
        await hardenPermissions(repair.path);
        break;
      case 'remove_stale_pid':
        await removePidFile(config.stateDir, repair.pid);
        break;
      case 'clear_expired': {
        const state = store.keyState(repair.label);
        const now = clock();
        const block = hasRunOut(state.block, now) ? { block: null } : {};
        const cooldown = hasRunOut(state.cooldown, now) ? { cooldown: null } : {};
        store.changeKey(repair.label, { ...block, ...cooldown });
      }
    }
    return describeRepair(repair);
  } catch (error) {
    return `Not done (${reasonOf(error)}): ${describeRepair(repair)}`;
  }
}

function toJson({ config }: CommandContext, { version, findings, summary, actions }: DoctorReport) {
  return {
    version,
    mode: modeOf(config),
    summary,
    actions,
    checks: findings.map(({ section, check, level, text, details, fix }) => ({
      section: section.toLowerCase(),
      check,
      level,
      text,
      details,
      fix,
    })),
  };
}
