import { setTimeout as delay } from 'node:timers/promises';
import { fetchProfile, type Profile, type ProfileAnswer } from '../../../accounts/fetch-account.ts';
import type { App } from '../../../app.ts';
import type { Key } from '../../../core/keys/key.ts';
import { KmiError } from '../../../errors.ts';

const TRIES = 3;
const PAUSE_MS = 1_000;

/** Asks `/me` whose a token is; again when the upstream fails, because who is known needs no second login. Never throws. */
export async function askWhose(
  { config, environment }: Pick<App, 'config' | 'environment'>,
  key: Pick<Key, 'value' | 'baseUrl'>,
  signal?: AbortSignal,
): Promise<ProfileAnswer> {
  const [{ Upstreams }, { plainGet }] = await Promise.all([
    import('../../../proxy/upstream/upstreams.ts'),
    import('../../../proxy/upstream/plain-get.ts'),
  ]);
  const upstreams = new Upstreams(config, environment);
  try {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await fetchProfile(key, (url, options) => plainGet(upstreams, url, options), signal);
      const mayPass = answer.kind === 'unknown' && (answer.status === null || answer.status === 429 || answer.status >= 500);
      if (!mayPass || attempt === TRIES || signal?.aborted === true) return answer;
      await delay(PAUSE_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } finally {
    await upstreams.destroy();
  }
}

/** Null when it could not be learned. Throws `login_failed` when the API does not know the token, which no later call would either. */
export function profileOf(answer: ProfileAnswer, baseUrl: string): Profile | null {
  if (answer.kind === 'known') return answer.profile;
  if (answer.status !== 401) return null;
  throw new KmiError('login_failed', `The login went well, but ${new URL(baseUrl).host} refuses it (HTTP 401).`, {
    hint: 'Nothing was stored. Accounts of kimi.com and kimi.ai are apart: try the other --region.',
  });
}
