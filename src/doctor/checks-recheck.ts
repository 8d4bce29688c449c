import { counted } from './checks-keys.ts';
import { answersOf, type Finding, shorten } from './finding.ts';

/** What `/usages` said of one key. */
export type RecheckFact =
  | {
      readonly is: 'answers';
      /** 0 to 1; null when it does not say. */
      readonly remainingShare: number | null;
    }
  /** In words fit to be shown, without the key. */
  | { readonly is: 'fails'; readonly error: string };

export function checkRecheck(rechecked: ReadonlyMap<string, RecheckFact> | null): readonly Finding[] {
  if (rechecked === null || rechecked.size === 0) return [];
  const { ok, warn } = answersOf('Keys', 'recheck');
  const answers: string[] = [];
  const failures: string[] = [];
  for (const [label, fact] of rechecked) {
    if (fact.is === 'fails') failures.push(`${label}: ${fact.error}`);
    else answers.push(fact.remainingShare === null ? label : `${label}: ${Math.round(fact.remainingShare * 100)} % left`);
  }
  return [
    ...(answers.length === 0 ? [] : [ok(`${counted(answers.length, 'key')} answered the recheck:`, null, shorten(answers))]),
    ...(failures.length === 0
      ? []
      : [
          warn(
            `${counted(failures.length, 'key')} did not:`,
            'A 401 from Kimi itself means a wrong key, 402 an unpaid account. A page from the network says nothing about the keys.',
            shorten(failures),
          ),
        ]),
  ];
}
