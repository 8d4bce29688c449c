import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { App } from '../../../app.ts';
import { isLoginOver } from '../../../core/keys/key.ts';
import type { AuthorityFact, LoginFact, LoginFacts, SharedFact } from '../../../doctor/checks-logins.ts';
import { whyNotWritable } from '../../../doctor/file-facts.ts';
import { askAuthority } from '../../../doctor/reach.ts';
import type { Network } from '../../../doctor/run.ts';
import { endOf } from '../../../logins/login.ts';
import { type LoginReading, readLogins } from '../../../logins/login-keys.ts';
import { loginsFolder } from '../../../logins/login-store.ts';
import { isSlotLockOff, isStale, slotPaths } from '../../../logins/slot-lock.ts';
import type { CommandContext } from '../../command/context.ts';
import { shownPath } from '../../ui/shown-path.ts';

/** More authorisation servers than a person has, and few enough to wait for. */
const AUTHORITIES_MAX = 4;

/** What the doctor looks at of logins. `network`: null asks nobody. Never throws for what it examines. */
export async function loginFacts(context: CommandContext, app: App, network: Network | null): Promise<LoginFacts> {
  const { config, secrets } = app;
  const readings = await readLogins(config.stateDir, (secret) => secrets.add(secret));
  const now = app.clock();
  const [logins, authorities] = await Promise.all([
    Promise.all(readings.map((reading) => loginFact(context, app, reading, now))),
    network === null ? null : askAuthorities(readings, network),
  ]);
  const clients = new Set(readings.flatMap(({ login }) => login.file ?? []));
  const own = loginsFolder(config.stateDir);
  const broken = app.registry.skipped.filter(({ file }) => file === own || dirname(file) === own || clients.has(file));
  return {
    now,
    logins,
    broken,
    authorities,
  };
}

async function loginFact(
  context: CommandContext,
  { registry }: App,
  { login, tokens, problem }: LoginReading,
  now: number,
): Promise<LoginFact> {
  const key = registry.keys.find((each) => each.login?.id === login.id);
  return {
    label: key?.label ?? login.label,
    kind: login.kind,
    region: login.region,
    baseUrl: login.baseUrl,
    disabled: login.disabled,
    createdAt: login.createdAt * 1000,
    expiresAt: tokens === null ? null : endOf(tokens),
    isOver: key === undefined || isLoginOver(key, now),
    problem,
    shared: login.file === null ? null : await sharedFact(context, login.file, now),
  };
}

async function sharedFact(context: CommandContext, file: string, now: number): Promise<SharedFact> {
  const { folder, lock } = slotPaths(file);
  const [obstacle, touchedAt] = await Promise.all([
    isSlotLockOff(context.environment) ? null : whyNotWritable(folder),
    stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => null,
    ),
  ]);
  return {
    file: shownPath(file, context),
    whyNotLockable: obstacle?.text ?? null,
    lock: touchedAt === null ? null : { touchedAt, isStale: isStale(touchedAt, now) },
  };
}

async function askAuthorities(readings: readonly LoginReading[], { get }: Network): Promise<readonly AuthorityFact[]> {
  const labels = new Map<string, string[]>();
  for (const { login } of readings) labels.set(login.oauthHost, [...(labels.get(login.oauthHost) ?? []), login.label]);
  return Promise.all(
    [...labels].slice(0, AUTHORITIES_MAX).map(async ([address, ofThem]) => ({
      host: new URL(address).host,
      labels: ofThem,
      ...(await askAuthority(address, { get })),
    })),
  );
}
