import { isReady } from '../../../core/choosing/eligibility.ts';
import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { findAlerts } from '../status/alerts.ts';
import { renderKeyLines, summaryLines } from '../status/key-lines.ts';
import { renderProxyLine } from '../status/proxy-line.ts';
import type { StatusReport } from '../status/report.ts';

const ALERTS_SHOWN = 2;
/** More keys than this are counted, not listed. */
const KEYS_SHOWN = 4;

/** The lines of `kmi` alone: the status as short as it can be said, and the command to type next. */
export function renderHome(report: StatusReport, { columns, style }: { columns: number; style: Style }): string[] {
  const width = viewWidth(columns);
  const next = [...nextLines(report, width, style), ...wrapToWidth('All commands: kmi --help', width).map(style.dim)];
  // A file that gives no key is one that was meant to.
  if (hasNoKeys(report) && report.skipped.length === 0) return ['No keys yet.', ...next];
  return [
    ...alertLines(report, width, style),
    ...renderProxyLine(report, { width, style }),
    ...keyLines(report, width, style),
    '',
    ...next,
  ];
}

function hasNoKeys({ candidates, isElsewhere }: StatusReport): boolean {
  return candidates.length === 0 && isElsewhere !== true;
}

function alertLines(report: StatusReport, width: number, style: Style): string[] {
  const alerts = findAlerts(report);
  const rest = alerts.length - ALERTS_SHOWN;
  return [
    ...alerts
      .slice(0, ALERTS_SHOWN)
      .flatMap(({ level, text, details = [] }) =>
        wrapToWidth([text, ...details.slice(0, 1)].join(' '), width - 2).map(
          (line, n) => `${n === 0 ? `${style[level]('!')} ` : '  '}${line}`,
        ),
      ),
    ...(rest > 0 ? [`  ${style.dim(`and ${rest} more: kmi status`)}`] : []),
  ];
}

function keyLines(report: StatusReport, width: number, style: Style): string[] {
  const count = report.candidates.length;
  if (count === 0) return [];
  return count > KEYS_SHOWN ? summaryLines(report, { width, style }) : renderKeyLines(report, { width, style, isBrief: true });
}

/** "Next  kmi kimi   start Kimi Code through the proxy". */
function nextLines(report: StatusReport, width: number, style: Style): string[] {
  const { command, does } = nextStep(report);
  const lines = wrapToWidth(does, width - 'Next'.length - command.length - 4);
  const indent = ' '.repeat('Next'.length + command.length + 4);
  return lines.map((line, n) =>
    n === 0 ? `${style.strong('Next')}  ${style.accent(command)}  ${style.dim(line)}` : `${indent}${style.dim(line)}`,
  );
}

function nextStep(report: StatusReport): { readonly command: string; readonly does: string } {
  const { probe, candidates, now } = report;
  // A file that gives no key is one that was meant to.
  if (hasNoKeys(report) && report.skipped.length === 0)
    return { command: 'kmi up', does: 'logs in or adds a key, and starts the proxy' };
  if (probe.kind === 'nothing') return { command: 'kmi proxy', does: 'starts the proxy' };
  const canServe = candidates.length === 0 || candidates.some((candidate) => isReady(candidate, now));
  if (probe.kind !== 'running' || !canServe) return { command: 'kmi doctor', does: 'says what to do about it' };
  return { command: 'kmi kimi', does: 'starts the Kimi CLI; `kmi run -- <command>` any other client' };
}
