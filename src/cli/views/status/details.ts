import { accountWeights } from '../../../core/choosing/account-weight.ts';
import { STRATEGY_FACTS, strategyInForce } from '../../../core/choosing/strategy.ts';
import { agoText, durationText } from '../../../core/text/duration.ts';
import { type Field, innerWidth, renderFields, renderSection } from '../../ui/panel.ts';
import type { Style } from '../../ui/style.ts';
import { counted } from '../../words/key-words.ts';
import { STRATEGY_WORDS } from '../../words/strategy-words.ts';
import { tokenText } from '../../words/token-text.ts';
import type { StatusReport } from './report.ts';

/** What `kmi status --all` shows below the keys: what is set and rarely changes. */
export function renderDetails(report: StatusReport, { width, style }: { width: number; style: Style }): string[] {
  const section = (title: string, fields: readonly Field[]) => [
    '',
    ...renderSection(title, renderFields(fields, innerWidth(width), style), style),
  ];
  return [
    ...section('Proxy', proxyFields(report, style)),
    ...section('Rotation', rotationFields(report)),
    ...section('Health checks', checkFields(report)),
  ];
}

function proxyFields({ probe, url, daemonLog, config }: StatusReport, style: Style): Field[] {
  const isRunning = probe.kind === 'running';
  return [
    ...(isRunning ? [{ name: 'pid', value: `${probe.pid}, version ${probe.version}` }] : []),
    { name: 'address', value: { text: url, paint: isRunning ? style.accent : (text) => text } },
    { name: 'upstream', value: config.upstreamBaseUrl },
    { name: 'log', value: daemonLog },
  ];
}

function rotationFields(report: StatusReport): Field[] {
  const { config, candidates, activeIndex, state } = report;
  const active = candidates[activeIndex]?.key.label ?? 'none';
  const isOn = state.autoRotate && config.autoRotateAllowed;
  const standIn = isOn || report.next === active ? '' : `; ${report.next ?? 'none'} serves in its place`;
  return [
    ...(isOn ? strategyFields(report) : [{ name: 'mode', value: 'manual: requests stay with the active key' }]),
    { name: 'active key', value: isOn ? `${active}, for when auto-rotation is off` : `${active}${standIn}` },
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
