import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, so that none of them is left alone at the end while another worker has nothing to do. */
const SLOW = [
  'cli/daemon',
  'proxy/token-accounts',
  'cli/proxy',
  'cli/rotate',
  'cli/e2e',
  'cli/keys',
  'faults/outage',
  'faults/crash',
  'faults/disk',
  'faults/streams',
  'security/05-requests',
  'security/06-secrets',
  'proxy/verdicts',
];

/** Beside them the usual order: what took long the last time, or is large, comes first. */
export default class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification) => {
      const at = SLOW.findIndex((name) => moduleId.endsWith(`/tests/${name}.test.ts`));
      return at === -1 ? SLOW.length : at;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
