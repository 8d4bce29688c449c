import { answersOf, type Finding } from './finding.ts';

/** Where notices go, and what can be seen of the way there. Holds no secret. */
export type NotifyFact =
  | { readonly to: 'desktop'; readonly program: string; readonly isThere: boolean }
  /** `shown`: scheme and host. */
  | { readonly to: 'webhook'; readonly shown: string; readonly isFound: boolean };

const TRY = '`kmi notify-test` sends one.';

/** Nothing is sent: the doctor is run often, and a hook tells others. */
export function checkNotify(fact: NotifyFact | null): readonly Finding[] {
  if (fact === null) return [];
  const { ok, warn } = answersOf('Setup', 'notices');
  if (fact.to === 'desktop') {
    return fact.isThere
      ? [ok(`Notices are shown on the desktop by ${fact.program}.`, TRY)]
      : [
          warn(
            `Notices cannot be shown on the desktop: ${fact.program} is not on the PATH.`,
            'Install it (often in a package named libnotify or libnotify-bin), or set KMI_NOTIFY to the URL of a webhook.',
          ),
        ];
  }
  return fact.isFound
    ? [ok(`Notices go to ${fact.shown}.`, TRY)]
    : [warn(`Notices cannot be sent: the host of ${fact.shown} cannot be looked up.`, 'Check the network, and KMI_NOTIFY.')];
}
