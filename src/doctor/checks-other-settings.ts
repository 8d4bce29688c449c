import { answersOf, type Finding, shorten } from './finding.ts';

/** The running proxy goes by other settings than those in force in this folder. */
export type OtherSettings = {
  /** Where it has them from, as a person would name it. */
  readonly from: string;
  readonly variables: readonly string[];
  readonly isSimulated: boolean;
};

/** This report is of the running proxy; what a restart would change is no secret. */
export function checkOtherSettings(other: OtherSettings | null): readonly Finding[] {
  const { info, warn } = answersOf('Proxy', 'proxy_settings');
  if (other === null) return [];
  if (other.isSimulated) return [info('The running proxy is a simulation: made-up accounts answer.', 'Stop it with `kmi stop`.')];
  if (other.variables.length === 0) return [];
  return [
    warn(
      `The running proxy has the settings of ${other.from}, and this report covers those. This folder has other settings:`,
      '`kmi restart` applies those of this folder.',
      shorten(other.variables),
    ),
  ];
}
