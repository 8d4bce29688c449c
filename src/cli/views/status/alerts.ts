import { eligibilityOf, isReady } from '../../../core/choosing/eligibility.ts';
import { accountedKeys, countAccounts } from '../../../core/choosing/key-accounts.ts';
import { noKeyWords, whyOut } from '../../../core/choosing/no-key.ts';
import { type Key, LOGIN_KINDS } from '../../../core/keys/key.ts';
import { activeCooldown } from '../../../core/keys/key-state.ts';
import { howToRenew, LOGIN_CLIENTS } from '../../../core/keys/login-words.ts';
import { isWithin, kimiProductAt } from '../../../core/network/kimi-hosts.ts';
import { VERSION } from '../../../version.ts';
import { shortPath } from '../../ui/shown-path.ts';
import { listLabels, SHARED_FIX, sharedText } from '../../words/account-words.ts';
import { counted } from '../../words/key-words.ts';
import { NOT_USED } from '../../words/not-used-words.ts';
import { failingAlerts } from './failing-alert.ts';
import type { StatusReport } from './report.ts';

export type Alert = {
  readonly level: 'bad' | 'warn';
  readonly text: string;
  /** Further lines that belong to the text. */
  readonly details?: readonly string[];
  readonly fix: string;
};

const MAX_DETAILS = 5;

/** What is wrong and what to do about it, the worst first. */
export function findAlerts(report: StatusReport): Alert[] {
  const ofKeys = keyAlerts(report);
  return [
    ...elsewhereAlerts(report),
    ...failingAlerts(report),
    ...ofKeys,
    ...blockAlerts(report),
    // Where no key can serve for want of one login, that is said.
    ...loginAlerts(report).filter(({ fix }) => !ofKeys.some((alert) => alert.fix === fix)),
    ...baseUrlAlerts(report),
    ...proxyAlerts(report),
    ...skippedAlerts(report),
    ...notUsedAlerts(report),
    ...accountAlerts(report),
    ...rotationAlerts(report),
  ];
}

/** The proxy that answers was started with another state folder: its keys are not to be denied. */
function elsewhereAlerts({ probe, isElsewhere, config }: StatusReport): Alert[] {
  if (isElsewhere !== true || probe.kind !== 'running') return [];
  const { total, ready } = probe.keys;
  const text = `The proxy that answers (pid ${probe.pid}) keeps its state in another folder than ${config.stateDir}. It has ${counted(total, 'key')}, ${ready} ready; keys and rotation shown here are not its own.`;
  return [{ level: 'warn', text, fix: 'Run kmi with the KMI_STATE_DIR that proxy was started with.' }];
}

function keyAlerts({ candidates, config, folderExists, now, isElsewhere }: StatusReport): Alert[] {
  if (isElsewhere === true && candidates.length === 0) return [];
  if (candidates.length === 0) {
    const text = folderExists
      ? `There are no keys in ${config.authsDir}.`
      : `There are no keys: the folder ${config.authsDir} does not exist.`;
    return [{ level: 'bad', text, fix: 'Run `kmi login`, `kmi keys add` or `kmi init`.' }];
  }
  if (candidates.some((candidate) => isReady(candidate, now))) return [];
  const out = candidates.flatMap((candidate) => whyOut(candidate, now) ?? []);
  const { text, fix, remedy } = noKeyWords(out, { now, zone: config.timezone });
  return [{ level: 'bad', text, fix: remedy === 'wait' ? 'Wait, or add an account with `kmi login` or `kmi keys add`.' : fix }];
}

function blockAlerts({ candidates, now }: StatusReport): Alert[] {
  const blockedKeys = (reason: string) =>
    candidates
      .filter((candidate) => {
        const eligibility = eligibilityOf(candidate, now);
        return eligibility.is === 'out' && eligibility.reason === reason;
      })
      .map(({ key }) => key);
  const blockedFor = (reason: string) => blockedKeys(reason).map(({ label }) => label);
  const alerts: Alert[] = [];
  const add = (level: Alert['level'], labels: readonly string[], what: string, fix: string) => {
    if (labels.length > 0) alerts.push({ level, text: `${what}: ${listLabels(labels)}`, fix });
  };
  add(
    'bad',
    blockedFor('banned'),
    'Account closed by Kimi',
    'Write to Kimi support. Once it is open again, `kmi doctor --clear-blocklist` unblocks its keys.',
  );
  add(
    'warn',
    blockedKeys('auth').flatMap(({ label, login }) => (login === undefined ? [label] : [])),
    'Key refused (401)',
    'Replace the key in its auth file; `kmi doctor --recheck-keys` tries it again.',
  );
  // Another token was refused as well, so the login is not what is wrong.
  for (const site of ['kimi.com', 'kimi.ai'] as const) {
    add(
      'warn',
      blockedKeys('auth').flatMap((key) => (key.login !== undefined && siteOf(key) === site ? [key.label] : [])),
      'Account refused (401)',
      `See to it on ${site}; \`kmi doctor --recheck-keys\` tries its login again.`,
    );
  }
  add('warn', blockedFor('payment_required'), 'Account unpaid', 'Renew the plan; `kmi doctor --recheck-keys` tries it again.');
  return alerts;
}

/** Where the person who has the account sees to it. A gateway's may be of either; most are of kimi.com. */
function siteOf({ baseUrl }: Key): 'kimi.com' | 'kimi.ai' {
  return isWithin(new URL(baseUrl).hostname, ['kimi.ai']) ? 'kimi.ai' : 'kimi.com';
}

/** Logins that need a person, by whose they are. */
function loginAlerts({ candidates, now }: StatusReport): Alert[] {
  const over = candidates.flatMap((candidate) => (whyOut(candidate, now)?.reason === 'login_expired' ? [candidate.key] : []));
  return LOGIN_KINDS.flatMap((kind): Alert[] => {
    const keys = over.filter(({ login }) => login?.kind === kind);
    const [first] = keys;
    if (first === undefined) return [];
    const labels = listLabels(keys.map(({ label }) => label));
    const fix = keys.length === 1 || kind === 'kimi-code' ? howToRenew(first.label, kind) : LOG_IN_EACH;
    const whose = kind === 'own' ? 'Login' : `Login of ${LOGIN_CLIENTS[kind]}`;
    return [{ level: 'warn', text: `${whose} expired: ${labels}`, fix }];
  });
}

const LOG_IN_EACH = '`kmi login --label <label>` logs in again, once for each.';

/** A key that fails while others work, and is sent to where no API of Kimi's is known to be. */
function baseUrlAlerts({ candidates, now }: StatusReport): Alert[] {
  const failing = candidates.filter(
    ({ key, state }) => !key.disabled && activeCooldown(state, now)?.reason === 'upstream' && isOddBase(key.baseUrl),
  );
  return failing.map(({ key }) => ({
    level: 'warn',
    text: `${key.label} fails while others work; its base URL may be wrong: ${key.baseUrl}`,
    fix: 'Those of Kimi end in /v1, like https://api.kimi.com/coding/v1; `kmi doctor` asks it.',
  }));
}

function isOddBase(baseUrl: string): boolean {
  const { hostname, pathname } = new URL(baseUrl);
  return kimiProductAt(hostname) === null && !/\/v\d+$/.test(pathname);
}

function proxyAlerts({ probe, url }: StatusReport): Alert[] {
  if (probe.kind === 'stranger') {
    return [
      {
        level: 'bad',
        text: `Another program answers at ${url} (${probe.answer}).`,
        fix: 'Stop it, or use another port: `kmi config set KMI_PROXY_LISTEN 127.0.0.1:8080`.',
      },
    ];
  }
  if (probe.kind === 'unreachable') {
    return [{ level: 'warn', text: `${url} cannot be asked: ${probe.reason}.`, fix: 'See `kmi logs` and `kmi doctor`.' }];
  }
  if (probe.kind === 'running' && probe.version !== VERSION) {
    const text = `The running proxy is version ${probe.version}; this is ${VERSION}.`;
    return [{ level: 'warn', text, fix: 'Restart it with `kmi restart`.' }];
  }
  return [];
}

function skippedAlerts({ skipped, config }: StatusReport): Alert[] {
  if (skipped.length === 0) return [];
  const details = skipped
    .slice(0, MAX_DETAILS)
    .map(({ file, detail }) => `${shortPath(file, config.authsDir, config.stateDir)}: ${detail}`);
  if (skipped.length > MAX_DETAILS) details.push(`and ${skipped.length - MAX_DETAILS} more`);
  const text = skipped.length === 1 ? 'One file gives no key:' : `${skipped.length} files give no key:`;
  return [{ level: 'warn', text, details, fix: 'Correct or remove them; `kmi doctor` names them all.' }];
}

function notUsedAlerts({ notUsed }: StatusReport): Alert[] {
  if (notUsed.length === 0) return [];
  const details = [...notUsed.slice(0, MAX_DETAILS)];
  if (notUsed.length > MAX_DETAILS) details.push(`and ${notUsed.length - MAX_DETAILS} more`);
  return [{ level: 'warn', text: NOT_USED, details, fix: 'Correct or remove it; `kmi doctor` names it all.' }];
}

/** Of many accounts with several keys a few are enough to be told of it. */
const SHARED_MAX = 3;

function accountAlerts({ candidates }: StatusReport): Alert[] {
  const { shared } = countAccounts(accountedKeys(candidates));
  const [first] = shared;
  if (first === undefined) return [];
  if (shared.length === 1) return [{ level: 'warn', text: sharedText(first), fix: SHARED_FIX }];
  const details = shared.slice(0, SHARED_MAX).map(({ labels }) => listLabels(labels));
  if (shared.length > SHARED_MAX) details.push(`and ${shared.length - SHARED_MAX} more`);
  const text = `${shared.length} accounts have several keys. A second key of an account adds nothing: quota, limits and cache are the account's.`;
  return [{ level: 'warn', text, details, fix: 'One key per account is enough; disable the others with `kmi keys disable`.' }];
}

function rotationAlerts(report: StatusReport): Alert[] {
  return [...activeKeyAlerts(report), ...policyAlerts(report)];
}

function activeKeyAlerts({ state, candidates }: StatusReport): Alert[] {
  const { activeKey } = state;
  if (activeKey === null || candidates.length === 0 || candidates.some(({ key }) => key.label === activeKey)) return [];
  const text = `The active key ${activeKey} is not here any more; ${candidates[0]?.key.label} stands in for it.`;
  return [{ level: 'warn', text, fix: 'Choose another with `kmi rotate`.' }];
}

function policyAlerts({ state, config }: StatusReport): Alert[] {
  if (!state.autoRotate || config.autoRotateAllowed) return [];
  return [
    {
      level: 'warn',
      text: 'Auto-rotation is on, but KMI_AUTO_ROTATE_ALLOWED does not allow it, so requests stay with the active key.',
      fix: '`kmi config set KMI_AUTO_ROTATE_ALLOWED 1`, or `kmi rotate off`.',
    },
  ];
}
