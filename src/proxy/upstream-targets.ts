/** Base URLs taken apart once each. */
export class UpstreamTargets {
  readonly #known = new Map<string, { origin: string; basePath: string }>();

  of(baseUrl: string): { origin: string; basePath: string } {
    let target = this.#known.get(baseUrl);
    if (target === undefined) {
      const { origin, pathname } = new URL(baseUrl);
      target = { origin, basePath: pathname === '/' ? '' : pathname };
      this.#known.set(baseUrl, target);
    }
    return target;
  }
}
