import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import type { InstalledClients } from './installed-clients.ts';

/** Keeps the client from calling anybody but the proxy. */
export const ALONE = {
  KIMI_DISABLE_TELEMETRY: '1',
  KIMI_CODE_NO_AUTO_UPDATE: '1',
  // Whatever else it would call fails at once; loopback is direct (docs/kimi-api.md#outgoing-proxies).
  HTTPS_PROXY: 'http://127.0.0.1:9',
  HTTP_PROXY: 'http://127.0.0.1:9',
};

export function pathWithKimi({ binFolder }: InstalledClients): string {
  return `${binFolder}${delimiter}${process.env.PATH}`;
}

/** Kimi Code's own variables: a home of its own, and the proxy for a model provider. */
export function kimiEnvironment(clients: InstalledClients, home: string, proxyUrl: string): Readonly<Record<string, string>> {
  return {
    PATH: pathWithKimi(clients),
    HOME: home,
    KIMI_CODE_HOME: join(home, '.kimi-code'),
    ...ALONE,
    KIMI_MODEL_NAME: 'kimi-for-coding',
    KIMI_MODEL_API_KEY: 'proxy',
    KIMI_MODEL_BASE_URL: proxyUrl,
  };
}

export type Printed = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs `kimi` in this folder to its end; code -1 when it was killed, after two minutes. */
export function runKimi(
  { binFolder }: InstalledClients,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Printed> {
  return new Promise((resolve) => {
    const child = execFile(join(binFolder, 'kimi'), args, { cwd, env, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
    child.stdin?.end();
  });
}
