/** What becomes of a request: it goes upstream, nowhere, or to made-up accounts. */
export type ProxyMode = 'live' | 'dry-run' | 'simulated';

export function modeOf({ dryRun, isSimulated }: { readonly dryRun: boolean; readonly isSimulated?: boolean }): ProxyMode {
  if (isSimulated === true) return 'simulated';
  return dryRun ? 'dry-run' : 'live';
}

export function isMode(value: unknown): value is ProxyMode {
  return value === 'live' || value === 'dry-run' || value === 'simulated';
}
