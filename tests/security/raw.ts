import { sendRaw } from '../support/http-client.ts';

export const MODELS = '/kmi-rotor/v1/models';
export const CHAT = '/kmi-rotor/v1/chat/completions';

/** Status of the first answer; 0 when none came. */
export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);

/** One request written by hand on a connection of its own. `head` holds the lines after the request line, Host included. */
export function rawRequest(port: number, line: string, head: readonly string[], body = ''): Promise<string> {
  return sendRaw(
    port,
    Buffer.from(`${line} HTTP/1.1\r\n${[...head, 'connection: close'].join('\r\n')}\r\n\r\n${body}`, 'latin1'),
  );
}
