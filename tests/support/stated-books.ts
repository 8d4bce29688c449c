import { formatSession } from '../../src/core/sessions/session.ts';
import { hashText } from '../../src/core/sessions/session-hash.ts';
import type { ReceivedRequest } from '../../src/simulator/simulator.ts';
import { runKmi } from './spawn.ts';

/** As `kmi usage --json` has them. */
export type Counts = {
  readonly requests: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
};
export type Grouping = 'key' | 'account' | 'model' | 'session';
/** Sums by name; `null` is who was not named. `total` is the sum of all. */
export type Books = { readonly total: Counts; readonly groups: Readonly<Record<string, Counts>> };

export const NO_COUNTS: Counts = { requests: 0, input_tokens: 0, cached_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };
export const FIELDS = Object.keys(NO_COUNTS) as (keyof Counts)[];

export function addCounts(one: Counts, other: Counts): Counts {
  return Object.fromEntries(FIELDS.map((field) => [field, one[field] + other[field]])) as Counts;
}

/** What the answer to one request adds to the books. */
function countsOf({ stated }: ReceivedRequest): Counts {
  const { input, cached, output, reasoning } = stated ?? { input: 0, cached: 0, output: 0, reasoning: 0 };
  return { requests: 1, input_tokens: input, cached_tokens: cached, output_tokens: output, reasoning_tokens: reasoning };
}

/** Chats the upstream has begun to answer: those the proxy has to count. */
export function answeredChats(received: readonly ReceivedRequest[]): ReceivedRequest[] {
  return received.filter(({ path, status }) => status === 200 && /\/(?:chat\/completions|messages)$/.test(path));
}

/** The books of the simulator: what its answers stated, added up by whatever `nameOf` reads from the request. */
export function statedBooks(requests: readonly ReceivedRequest[], nameOf: (request: ReceivedRequest) => string | null): Books {
  const groups: Record<string, Counts> = {};
  let total = NO_COUNTS;
  for (const request of requests) {
    const counts = countsOf(request);
    const name = String(nameOf(request));
    groups[name] = addCounts(groups[name] ?? NO_COUNTS, counts);
    total = addCounts(total, counts);
  }
  return { total, groups };
}

/** The name that `kmi usage --by session` has for a session its client calls `name`. */
export function sessionName(name: string): string {
  return formatSession(hashText(name));
}

/** The books of the product, from its own command. */
export async function readBooks(env: Readonly<Record<string, string>>, by: Grouping): Promise<Books> {
  const { code, stdout, stderr } = await runKmi(['usage', '--json', '--by', by], { env });
  if (code !== 0) throw new Error(`kmi usage ended with ${code}: ${stderr}`);
  const { total, groups } = JSON.parse(stdout) as { total: Counts; groups: (Counts & { name: string | null })[] };
  const only = (counts: Counts) => Object.fromEntries(FIELDS.map((field) => [field, counts[field]])) as Counts;
  return { total: only(total), groups: Object.fromEntries(groups.map((group) => [String(group.name), only(group)])) };
}
