import { basename } from 'node:path';
import { shownName, type Unused } from '../../config/unused.ts';
import type { FileRemark } from '../../keys/auth-entry.ts';
import { shortPath } from '../ui/shown-path.ts';

/** ".env: KMI_DRYRUN is no setting of kmi; did you mean KMI_DRY_RUN?" */
export function unusedSettingText({ file, name, why }: Unused): string {
  const end = why.endsWith('?') ? '' : '.';
  return `${file === null ? 'environment' : basename(file)}: ${shownName(name)} ${why}${end}`;
}

/** "work.env: KMI_APIKEY is not read; did you mean KMI_API_KEY?" */
function fileRemarkText({ file, detail }: FileRemark, authsDir: string): string {
  return `${shortPath(file, authsDir)}: ${detail}`;
}

/** Everything that was written for kmi and is not used, a sentence each. */
export function notUsedTexts(unused: readonly Unused[], remarks: readonly FileRemark[], authsDir: string): readonly string[] {
  return [...unused.map(unusedSettingText), ...remarks.map((remark) => fileRemarkText(remark, authsDir))];
}

export const NOT_USED = 'Set for kmi but not used:';
