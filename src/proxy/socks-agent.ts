import { Socks5ProxyAgent } from 'undici';

type Options = ConstructorParameters<typeof Socks5ProxyAgent>[1];

/**
 * undici has Node print once a process that its SOCKS5 support is experimental. Its version is pinned here and its use
 * tested, so that is nothing for the person at the terminal. The agent warns while it is made, so only then is it not heard.
 */
export function socksAgent(proxy: string, options: Options): Socks5ProxyAgent {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return new Socks5ProxyAgent(proxy, options);
  } finally {
    process.emitWarning = emitWarning;
  }
}
