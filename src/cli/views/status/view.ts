import { viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { type Alert, findAlerts } from './alerts.ts';
import { renderDetails } from './details.ts';
import { renderKeyLines } from './key-lines.ts';
import { renderProxyLine } from './proxy-line.ts';
import type { StatusReport } from './report.ts';

export type StatusView = {
  readonly columns: number;
  readonly style: Style;
  /** Also what rarely changes: paths, rotation, health checks, policy. */
  readonly all?: boolean;
};

/** The lines of `kmi status`: what is wrong and what to do about it, a line for the proxy, a line a key. */
export function renderStatus(report: StatusReport, { columns, style, all = false }: StatusView): string[] {
  const width = viewWidth(columns);
  const alerts = findAlerts(report).flatMap((alert) => alertLines(alert, width, style));
  const keys = report.candidates.length === 0 ? [] : ['', ...renderKeyLines(report, { width, style, all })];
  return [
    ...(alerts.length === 0 ? [] : [...alerts, '']),
    ...renderProxyLine(report, { width, style }),
    ...keys,
    ...(all ? renderDetails(report, { width, style }) : []),
  ];
}

function alertLines({ level, text, details = [], fix }: Alert, width: number, style: Style): string[] {
  const room = width - 2;
  return [
    ...wrapToWidth(text, room).map((line, n) => `${n === 0 ? `${style[level]('!')} ` : '  '}${line}`),
    ...details.flatMap((detail) => wrapToWidth(detail, room - 2).map((line) => `    ${line}`)),
    ...wrapToWidth(fix, room).map((line) => `  ${style.dim(line)}`),
  ];
}
