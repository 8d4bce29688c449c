import type { FetchedHealth } from '../../../health/usage-client.ts';
import { percentText } from '../../ui/bar.ts';
import { planText } from '../../words/account-words.ts';

/** `refused`: the upstream does not know the key. `unclear`: nothing came back that proves the key, or the account may not be used now. */
export type TestResult = { readonly result: 'works' | 'refused' | 'unclear'; readonly text: string };

/** What a call of `/usages` says about a key, in words. */
export function judgeTest({ usage, error, status, isForeign }: FetchedHealth): TestResult {
  if (usage !== null && error === null) {
    const windows = usage.windows.map(({ label, remainingShare }) => `${label} ${percentText(remainingShare)} left`);
    return { result: 'works', text: [...windows, ...(usage.plan === null ? [] : [`plan ${planText(usage.plan)}`])].join(', ') };
  }
  // The upstream's sentences end; ours go on.
  const text = (error ?? 'no usage in the answer').replace(/\.+$/, '');
  if (isForeign === true) return { result: 'unclear', text };
  if (status === 401) return { result: 'refused', text };
  if (status === undefined) return { result: 'unclear', text: `no answer: ${text}` };
  return { result: 'unclear', text: status < 400 ? `it answered, but not as a Kimi account does: ${text}` : text };
}
