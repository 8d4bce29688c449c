import type { LoginKind, Region } from '../core/keys/key.ts';
import { howToRenew, LOGIN_CLIENTS } from '../core/keys/login-words.ts';
import { isWithin } from '../core/network/kimi-hosts.ts';
import { agoText, durationText } from '../core/text/duration.ts';
import { counted } from './checks-keys.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

export type LoginFact = {
  readonly label: string;
  readonly kind: LoginKind;
  readonly region: Region;
  readonly baseUrl: string;
  readonly disabled: boolean;
  /** When it was made or referred to; epoch ms. */
  readonly createdAt: number;
  /** When its access token ends; epoch ms. Null: its file names no end, or there is no token. */
  readonly expiresAt: number | null;
  /** A person must log in again. */
  readonly isOver: boolean;
  /** What is the matter with the client's credential file, as a sentence; null: nothing. */
  readonly problem: string | null;
  /** The credential file that a client of Kimi's owns; null for a login of kmi's own. */
  readonly shared: SharedFact | null;
};

export type SharedFact = {
  /** The credential file, shown as a person would name it. */
  readonly file: string;
  /** Why its lock cannot be created, as a sentence; null: it can. */
  readonly whyNotLockable: string | null;
  /** The lock that is there; null: nobody has made one. */
  readonly lock: LockFact | null;
};

export type LockFact = {
  /** When its holder last touched it; epoch ms. */
  readonly touchedAt: number;
  /** That is so long ago that it counts for nothing. */
  readonly isStale: boolean;
};

/** What an authorisation server said to a plain call. */
export type AuthorityFact = {
  readonly host: string;
  /** The logins whose tokens come from there. */
  readonly labels: readonly string[];
  /** How far this machine's clock is ahead of its; ms. Null: it told no time. */
  readonly aheadMs: number | null;
  /** Why it did not answer; null: it did. */
  readonly problem: string | null;
};

export type LoginFacts = {
  readonly now: number;
  readonly logins: readonly LoginFact[];
  /** Files of logins, or of clients' credentials, that give no login. */
  readonly broken: readonly { readonly file: string; readonly detail: string }[];
  /** Null: nobody was asked, because of dry-run. */
  readonly authorities: readonly AuthorityFact[] | null;
};

export function checkLogins(facts: LoginFacts): readonly Finding[] {
  return [
    ...checkStates(facts),
    ...checkFiles(facts),
    ...checkRegions(facts),
    ...checkShared(facts),
    ...checkLocks(facts),
    ...checkKimiCli(facts),
    ...checkAuthorities(facts),
  ];
}

function checkStates({ logins, now }: LoginFacts): readonly Finding[] {
  const { ok, warn } = answersOf('Logins', 'login_state');
  const sound = logins.filter(({ isOver }) => !isOver);
  const over = logins.filter(({ isOver }) => isOver);
  return [
    ...(sound.length === 0
      ? []
      : [ok(`${counted(sound.length, 'login')} in force:`, null, shorten(sound.map((login) => describe(login, now))))]),
    ...over.map((login) =>
      warn(`The login ${login.label}${ofClient(login)} has expired. ${login.problem ?? ''}`.trimEnd(), mend(login)),
    ),
  ];
}

/** "ada: kmi's own, made 12 d ago; its token is good for 9 min". */
function describe({ label, kind, createdAt, expiresAt, disabled }: LoginFact, now: number): string {
  const whose =
    kind === 'own'
      ? `kmi's own, made ${agoText(createdAt, now)}`
      : `${LOGIN_CLIENTS[kind]}'s, in use for ${durationText(now - createdAt, 'down')}`;
  const token =
    expiresAt === null
      ? 'its token names no end'
      : expiresAt > now
        ? `its token is good for ${durationText(expiresAt - now, 'down')}`
        : `its token ended ${agoText(expiresAt, now)}, and the next use renews it`;
  return `${label}: ${whose}; ${token}${disabled ? '; disabled' : ''}`;
}

/** Files from which no login can be read at all. */
function checkFiles({ broken }: LoginFacts): readonly Finding[] {
  const { fail } = answersOf('Logins', 'login_file');
  return broken.map(({ file, detail }) =>
    fail(`${file}: ${detail}`, 'If it is damaged, remove it, then log in again with `kmi login`.'),
  );
}

function ofClient({ kind }: LoginFact): string {
  return kind === 'own' ? '' : ` of ${LOGIN_CLIENTS[kind]}`;
}

function mend({ label, kind }: LoginFact): string {
  return howToRenew(label, kind);
}

/** Kimi's two regions know nothing of each other's accounts; a gateway or a simulator is of either. */
function checkRegions({ logins }: LoginFacts): readonly Finding[] {
  const { warn } = answersOf('Logins', 'login_region');
  return logins.flatMap((login) => {
    const { hostname, host } = new URL(login.baseUrl);
    const there = isWithin(hostname, ['kimi.ai']) ? 'global' : isWithin(hostname, ['kimi.com']) ? 'mainland-cn' : null;
    if (there === null || there === login.region) return [];
    const fix = login.kind === 'own' ? `Log in again: \`kmi login --region ${there} --label ${login.label}\`.` : mend(login);
    return [warn(`The login ${login.label} is of the region ${login.region}, but its requests go to ${host}.`, fix)];
  });
}

function checkShared({ logins, now }: LoginFacts): readonly Finding[] {
  const { info } = answersOf('Logins', 'login_shared');
  return logins.flatMap(({ label, kind, shared }) => {
    if (shared === null) return [];
    const lockText = kind === 'kimi-code' ? `; ${aboutLock(shared.lock, now)}` : '';
    return [info(`${label} is the login of ${LOGIN_CLIENTS[kind]}, which goes on using it (${shared.file})${lockText}.`)];
  });
}

function aboutLock(lock: LockFact | null, now: number): string {
  if (lock === null) return 'nobody renews it at this moment';
  if (!lock.isStale) return 'it is being renewed at this moment';
  return `a process that renewed it ended ${agoText(lock.touchedAt, now)} without giving the lock back, which does no harm`;
}

function checkLocks({ logins }: LoginFacts): readonly Finding[] {
  const { fail } = answersOf('Logins', 'login_lock');
  return logins.flatMap(({ label, kind, shared }) =>
    kind !== 'kimi-code' || shared === null || shared.whyNotLockable === null
      ? []
      : [
          fail(
            `The login ${label} cannot be renewed, because its lock cannot be created. ${shared.whyNotLockable}`,
            'Make it a folder of yours that can be written to; Kimi Code needs it too.',
          ),
        ],
  );
}

/** docs/kimi-api.md#kimi-cli. */
function checkKimiCli({ logins }: LoginFacts): readonly Finding[] {
  const { warn } = answersOf('Logins', 'login_kimi_cli');
  return logins.flatMap((login) =>
    login.kind !== 'kimi-cli' || login.isOver
      ? []
      : [
          warn(
            `${login.label} is a login of kimi-cli, which is archived. kmi uses it while its token is valid, and never renews it.`,
            `\`kmi login --label ${login.label}\` makes a login of kmi's own.`,
          ),
        ],
  );
}

/** A token lives for 15 minutes, so a clock need not be far off to matter. */
const TOLERANCE_MS = 60_000;

function checkAuthorities({ authorities, logins }: LoginFacts): readonly Finding[] {
  const { ok, info, warn } = answersOf('Logins', 'login_host');
  if (logins.length === 0) return [];
  if (authorities === null) return [info('Authorisation servers are not asked in dry-run.')];
  return authorities.map(({ host, labels, aheadMs, problem }) => {
    if (problem !== null) {
      return warn(
        `${host}, which renews ${shorten(labels).join(', ')}, does not answer: ${problem}.`,
        'Check the network. Until it answers, requests are served as long as the present tokens last.',
      );
    }
    if (aheadMs !== null && Math.abs(aheadMs) > TOLERANCE_MS) {
      const off = durationText(Math.abs(aheadMs), 'down');
      return warn(
        `The clock is ${off} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${host}, so tokens are renewed at the wrong time.`,
        'Set the clock, or turn on time synchronisation.',
      );
    }
    return ok(`${host} answers${aheadMs === null ? '' : ', and both clocks agree'}.`);
  });
}
