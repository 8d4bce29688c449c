import { kimiProductAt } from '../../core/network/kimi-hosts.ts';

/** Where a base URL leads. */
export type UpstreamTarget = {
  readonly origin: string;
  readonly basePath: string;
  /** For requests of Anthropic's protocol, which the Open Platform takes at a path of their own. */
  readonly anthropicBasePath: string;
  /** A host that is not known for the Kimi API: it may be a proxy, and one that leads back. */
  readonly isStrange: boolean;
};

/** Base URLs taken apart once each. */
export class UpstreamTargets {
  readonly #known = new Map<string, UpstreamTarget>();

  of(baseUrl: string): UpstreamTarget {
    let target = this.#known.get(baseUrl);
    if (target === undefined) {
      const { origin, hostname, pathname } = new URL(baseUrl);
      const product = kimiProductAt(hostname);
      const basePath = pathname === '/' ? '' : pathname;
      const anthropicBasePath = product === 'platform' && basePath === '/v1' ? '/anthropic/v1' : basePath;
      target = { origin, basePath, anthropicBasePath, isStrange: product === null };
      this.#known.set(baseUrl, target);
    }
    return target;
  }
}
