import { candidatesOf, openApp } from '../../../app.ts';
import { eligibilityOf, statusAt } from '../../../core/choosing/eligibility.ts';
import { rotationInForce } from '../../../core/choosing/strategy.ts';
import type { KeyLogin } from '../../../core/keys/key.ts';
import { activeBlock, activeCooldown } from '../../../core/keys/key-state.ts';
import { renderTime } from '../../../state/schema.ts';
import type { Command } from '../../command/context.ts';
import { describeOtherKeys } from '../../proxy/proxy-words.ts';
import { shownPath } from '../../ui/shown-path.ts';
import { wrapToWidth } from '../../ui/width.ts';
import { accountsToJson } from '../accounts-json.ts';
import { activeIndexOf } from '../active-key.ts';
import { savedHealth } from '../saved-health.ts';
import { type KeysReport, renderKeys } from './view.ts';

type Options = { readonly json?: boolean };

/** `kmi keys list`: every key and every file that gives none. Sends nothing; exit 1 when there are no keys, as of `kmi health`. */
export const run: Command<Options> = async (context, { json = false }) => {
  const { config, environment, cwd, home, out, err, style, width } = context;
  const app = await openApp(config, { environment, looksOn: true, warn: (message) => err(`kmi: ${message}`) });
  try {
    const report: KeysReport = {
      config,
      folder: shownPath(config.authsDir, { cwd, home }),
      now: app.clock(),
      candidates: candidatesOf(app, await savedHealth(app)),
      activeIndex: activeIndexOf(app),
      isManual: rotationInForce(app.store.state, config) === null,
      skipped: app.registry.skipped,
      remarks: app.registry.remarks,
    };
    const lines = json ? [JSON.stringify(toJson(report), null, 2)] : renderKeys(report, { columns: width, style });
    for (const line of lines) out(line);
    const others = json ? null : describeOtherKeys(context);
    if (others !== null) for (const line of wrapToWidth(others, width)) err(line);
    return report.candidates.length === 0 ? 1 : 0;
  } finally {
    await app.close();
  }
};

/** Whose login it is, and until when its present access token is good. */
function loginToJson(login: KeyLogin | undefined) {
  return login === undefined ? null : { kind: login.kind, token_expires_at: renderTime(login.expiresAt) };
}

/** No part of a key, but the start of its hash. */
function toJson({ config, now, candidates, activeIndex, skipped, remarks }: KeysReport) {
  return {
    auths_dir: config.authsDir,
    accounts: accountsToJson(candidates),
    keys: candidates.map((candidate, index) => {
      const { key, state } = candidate;
      const block = activeBlock(state, now);
      const cooldown = activeCooldown(state, now);
      const eligibility = eligibilityOf(candidate, now);
      return {
        label: key.label,
        kind: key.login === undefined ? 'key' : 'login',
        login: loginToJson(key.login),
        key_hash: key.hash,
        email: key.email,
        account: state.account?.id ?? null,
        state: statusAt(candidate, eligibility, now),
        reason: eligibility.is === 'ready' ? null : eligibility.reason,
        until: renderTime((block ?? cooldown)?.until ?? null),
        active: index === activeIndex,
        disabled: key.disabled,
        priority: key.priority,
        weight: key.weight,
        base_url: key.baseUrl,
        source: key.source,
      };
    }),
    skipped_auth_files: skipped.map(({ file, reason, detail }) => ({ file, reason, detail })),
    not_used: remarks.map(({ file, detail }) => ({ file, detail })),
  };
}
