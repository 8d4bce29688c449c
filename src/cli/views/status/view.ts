import type { Config } from '../../../config/settings.ts';
import { accountWeights } from '../../../core/choosing/account-weight.ts';
import { type Candidate, keyStatusOf } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts } from '../../../core/choosing/key-accounts.ts';
import { STRATEGY_FACTS, type Strategy, strategyInForce } from '../../../core/choosing/strategy.ts';
import { KEY_STATUSES, type KeyStatus } from '../../../core/keys/key-status.ts';
import type { ProxyProbe } from '../../../daemon/probe.ts';
import type { SkippedFile } from '../../../keys/auth-entry.ts';
import { agoText, durationText } from '../../ui/duration.ts';
import { type Field, innerWidth, renderFields, renderPanel, viewWidth } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { renderTable } from '../../ui/table.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { accountsText, unknownAccountsText } from '../../words/account-words.ts';
import { counted, paintStatus, whyOut } from '../../words/key-words.ts';
import { renderMode } from '../../words/mode-line.ts';
import { STRATEGY_WORDS } from '../../words/strategy-words.ts';
import { tokenText } from '../../words/token-text.ts';
import { type Alert, findAlerts } from './alerts.ts';

/** What `kmi status` looks at, at one moment. */
export type StatusReport = {
  readonly config: Config;
  /** Epoch ms. */
  readonly now: number;
  readonly probe: ProxyProbe;
  /** What a client is pointed at. */
  readonly url: string;
  /** Where the running proxy, and with it this report, has its settings from, when that is not this folder. */
  readonly foreign?: string | null;
  /** The proxy that answers keeps its state in another folder, so that keys and rotation shown here are not its own. */
  readonly isElsewhere?: boolean;
  readonly daemonLog: string;
  /** In the registry's order; without health, because nobody is asked. */
  readonly candidates: readonly Candidate[];
  /** Place of the active key; 0 when there are no keys. */
  readonly activeIndex: number;
  /** Label of the key that serves the next request without a session; null when none can. */
  readonly next: string | null;
  readonly state: {
    readonly activeKey: string | null;
    readonly rotationIndex: number;
    readonly autoRotate: boolean;
    /** Chosen with `kmi rotate auto --strategy`; null: as the setting says. */
    readonly strategy: Strategy | null;
    readonly lastHealthRefresh: number | null;
    readonly sessionMoves: { readonly count: number; readonly tokens: number };
  };
  readonly folderExists: boolean;
  readonly skipped: readonly SkippedFile[];
  /** What was written for kmi and is not used, a sentence each. */
  readonly notUsed: readonly string[];
};

/** More keys than this are not all listed: only the active one and those that do not serve. */
const LISTED_KEYS = 12;

type Frame = { readonly width: number; readonly style: Style };

/** The lines of `kmi status`: the mode first, then alerts if there are any, then panels. */
export function renderStatus(report: StatusReport, { columns, style }: { columns: number; style: Style }): string[] {
  const frame = { width: viewWidth(columns), style };
  const alerts = findAlerts(report);
  const panels = [
    ...(alerts.length === 0 ? [] : [alertsPanel(alerts, frame)]),
    renderPanel('Proxy', renderFields(proxyFields(report, style), innerWidth(frame.width), style), frame),
    renderPanel('Keys', keyLines(report, frame), frame),
    renderPanel('Rotation', renderFields(rotationFields(report), innerWidth(frame.width), style), frame),
    renderPanel('Health checks', renderFields(checkFields(report), innerWidth(frame.width), style), frame),
  ];
  return [renderMode(report.config, style), ...panels.flatMap((panel) => (style.isPlain ? ['', ...panel] : panel))];
}

function alertsPanel(alerts: readonly Alert[], { width, style }: Frame): string[] {
  const room = innerWidth(width) - 2;
  const lines = alerts.flatMap(({ level, text, details = [], fix }) => [
    ...hang(`${style[level]('!')} `, wrapToWidth(text, room), (line) => line),
    ...details.flatMap((detail) => hang('  ', wrapToWidth(detail, room - 2), (line) => `  ${line}`)),
    ...hang('  ', wrapToWidth(fix, room), style.dim),
  ]);
  const worst = alerts.some(({ level }) => level === 'bad') ? style.bad : style.warn;
  return renderPanel('Alerts', lines, { width, style, paintTitle: (text) => style.strong(worst(text)) });
}

function hang(first: string, lines: readonly string[], paint: (line: string) => string): string[] {
  return lines.map((line, n) => `${n === 0 ? first : '  '}${paint(line)}`);
}

function proxyFields({ probe, url, foreign, daemonLog, config }: StatusReport, style: Style): Field[] {
  return [
    { name: 'state', value: proxyState(probe, style) },
    { name: 'address', value: { text: url, paint: probe.kind === 'running' ? style.accent : (text) => text } },
    { name: 'upstream', value: config.upstreamBaseUrl },
    ...(foreign == null ? [] : [{ name: 'settings', value: foreign }]),
    { name: 'log', value: daemonLog },
  ];
}

function proxyState(probe: ProxyProbe, style: Style): { text: string; paint: (text: string) => string } {
  switch (probe.kind) {
    case 'running': {
      const up = durationText(probe.uptimeSeconds * 1000, 'down');
      return { text: `running, pid ${probe.pid}, up ${up}, version ${probe.version}`, paint: style.good };
    }
    case 'nothing':
      return { text: 'not running; start it with `kmi proxy`', paint: style.dim };
    case 'stranger':
      return { text: 'not running; another program holds the port', paint: style.bad };
    case 'unreachable':
      return { text: `unknown: ${probe.reason}`, paint: style.warn };
  }
}

function keyLines({ candidates, activeIndex, now, config }: StatusReport, { width, style }: Frame): string[] {
  if (candidates.length === 0) return [style.dim('none')];
  const rows = candidates.map((candidate, index) => ({
    candidate,
    isActive: index === activeIndex,
    status: keyStatusOf(candidate, now),
  }));
  const listed =
    rows.length <= LISTED_KEYS
      ? rows
      : [...rows.filter((row) => row.isActive), ...rows.filter((row) => !row.isActive && row.status !== 'ready')].slice(
          0,
          LISTED_KEYS,
        );
  const hidden = rows.length - listed.length;
  const hasEmail = listed.some(({ candidate }) => candidate.key.email !== null);
  const table = renderTable(
    [
      { gap: 1 },
      { title: 'KEY', shrinkTo: 12 },
      { title: 'STATE' },
      { shrinkTo: 28, wrap: true },
      ...(hasEmail ? [{ title: 'ACCOUNT', shrinkTo: 12 }] : []),
    ],
    listed.map(({ candidate, isActive, status }) => [
      { text: isActive ? '>' : '', paint: style.accent },
      { text: candidate.key.label, paint: isActive ? style.strong : (text: string) => text },
      { text: status, paint: paintStatus(status, style) },
      whyOut(candidate, now, config.timezone) ?? { text: usedText(candidate, now), paint: style.dim },
      { text: candidate.key.email ?? '', paint: style.dim },
    ]),
    { width: innerWidth(width), style },
  );
  const rest =
    hidden === 0 ? [] : ['', style.dim(`${counted(hidden, 'further key')} not listed; \`kmi health\` shows them all.`)];
  const accounts = countAccounts(accountedKeys(candidates));
  const unknown = unknownAccountsText(accounts);
  return [
    `${accountsText(accounts)}: ${summary(
      rows.map(({ status }) => status),
      style,
    )}`,
    ...(unknown === null ? [] : wrapToWidth(unknown, innerWidth(width)).map(style.dim)),
    '',
    ...table,
    ...rest,
  ];
}

/** "3 ready, 1 on cooldown, 1 blocked". */
function summary(statuses: readonly KeyStatus[], style: Style): string {
  const parts = KEY_STATUSES.flatMap((status) => {
    const count = statuses.filter((other) => other === status).length;
    return count === 0 ? [] : [paintStatus(status, style)(`${count} ${status === 'cooldown' ? 'on cooldown' : status}`)];
  });
  return parts.join(', ');
}

function usedText({ state }: Candidate, now: number): string {
  if (state.requests === 0) return 'not used yet';
  const last = state.lastUsed === null ? '' : `, last used ${agoText(state.lastUsed, now)}`;
  return `${counted(state.requests, 'request')}${last}`;
}

function rotationFields(report: StatusReport): Field[] {
  const { config, candidates, activeIndex, state } = report;
  const active = candidates[activeIndex]?.key.label ?? 'none';
  const isOn = state.autoRotate && config.autoRotateAllowed;
  const standIn = isOn || report.next === active ? '' : `; ${report.next ?? 'none'} serves in its place`;
  return [
    ...(isOn ? strategyFields(report) : [{ name: 'mode', value: 'manual: requests stay with the active key' }]),
    { name: 'active key', value: `${active}${standIn}` },
    {
      name: 'policy',
      value: config.autoRotateAllowed
        ? 'auto-rotation is allowed; `kmi rotate auto` and `kmi rotate off` switch it'
        : 'auto-rotation is not allowed (KMI_AUTO_ROTATE_ALLOWED=0)',
    },
  ];
}

/** What the moves of sessions to other accounts have cost; nothing while there was none. */
function movesField({ count, tokens }: StatusReport['state']['sessionMoves']): Field[] {
  if (count === 0) return [];
  const lost = tokens === 0 ? '' : `; ${tokenText(tokens)} tokens had to be read again`;
  return [{ name: 'moved', value: `${counted(count, 'session')} whose account could not serve${lost}` }];
}

function strategyFields(report: StatusReport): Field[] {
  const { config, state } = report;
  const { strategy, source } = strategyInForce(state.strategy, config.rotateStrategy);
  const isOwnChoice = source === 'chosen' && strategy !== config.rotateStrategy;
  const from = isOwnChoice ? ` (chosen with \`kmi rotate auto\`; KMI_ROTATE_STRATEGY says ${config.rotateStrategy})` : '';
  const { sessions } = STRATEGY_WORDS[strategy];
  const next = report.next ?? 'none';
  const weights = STRATEGY_FACTS[strategy].turnsOf === 'weights' ? weightsField(report.candidates) : [];
  if (sessions === null) return [{ name: 'mode', value: `${strategy}${from}, next: ${next}` }, ...weights];
  return [
    { name: 'mode', value: `${strategy}${from}` },
    { name: 'sessions', value: sessions },
    { name: 'no session', value: `such requests take turns, account by account; next: ${next}` },
    ...movesField(state.sessionMoves),
  ];
}

/** Accounts named in full; a pool of thousands is summed up. */
const WEIGHTS_SHOWN = 12;

/** "ada 100, ben 200": each account by the label of its first key. */
function weightsField(candidates: StatusReport['candidates']): Field[] {
  const weights = [...accountWeights(candidates).values()].map(({ label, weight }) => `${label} ${weight}`);
  const rest = weights.length - WEIGHTS_SHOWN;
  const shown = rest > 0 ? [...weights.slice(0, WEIGHTS_SHOWN), `and ${rest} more`] : weights;
  return weights.length === 0 ? [] : [{ name: 'weights', value: shown.join(', ') }];
}

function checkFields({ config, state, now }: StatusReport): Field[] {
  const every = (seconds: number) => (seconds === 0 ? 'never' : `every ${durationText(seconds * 1000)}`);
  return [
    { name: 'last refresh', value: state.lastHealthRefresh === null ? 'none yet' : agoText(state.lastHealthRefresh, now) },
    { name: 'refresh', value: every(config.usageCacheSeconds) },
    {
      name: 'recheck',
      value:
        config.blocklistRecheckSeconds === 0
          ? 'never'
          : `${every(config.blocklistRecheckSeconds)}, up to ${counted(config.blocklistRecheckMax, 'blocked key')}`,
    },
    {
      name: 'payment block',
      value: config.paymentBlockSeconds === 0 ? 'until unblocked by hand' : durationText(config.paymentBlockSeconds * 1000),
    },
    {
      name: 'usage check',
      value: config.requireUsageBeforeRequest
        ? 'strict: only keys with a known quota serve'
        : 'off: keys serve before their quota is known',
    },
    { name: 'nothing known', value: config.failOpenOnEmptyCache ? 'requests pass (fail open)' : 'requests are refused' },
  ];
}
