import { randomUUID } from 'node:crypto';
import { arch, hostname, release, type } from 'node:os';
import { join } from 'node:path';
import { readBoundedFile } from '../files/bounded-file.ts';
import { makePrivateFolder, replaceFile } from '../files/private.ts';
import { textOf } from '../files/text-bytes.ts';
import { VERSION } from '../version.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Who asks: kmi under its own name, also for a login that a Kimi client made (docs/kimi-api.md#identity-headers). Makes the file
 * `device_id` of the state when it is missing or broken. Throws what the file system says.
 */
export async function identityHeaders(stateDir: string): Promise<Readonly<Record<string, string>>> {
  return {
    'User-Agent': `kmi/${VERSION}`,
    'X-Msh-Platform': 'kmi',
    'X-Msh-Version': VERSION,
    'X-Msh-Device-Name': inHeader(hostname()),
    'X-Msh-Device-Model': inHeader(`${type()} ${release()} ${arch()}`),
    'X-Msh-Os-Version': inHeader(release()),
    'X-Msh-Device-Id': await deviceId(stateDir),
    Accept: 'application/json',
  };
}

async function deviceId(stateDir: string): Promise<string> {
  const path = join(stateDir, 'device_id');
  const there = await readDeviceId(path);
  if (there !== null) return there;
  await makePrivateFolder(stateDir);
  await replaceFile(path, `${randomUUID()}\n`);
  // Of several processes that make one at the same time, the last one's stays.
  return (await readDeviceId(path)) ?? randomUUID();
}

async function readDeviceId(path: string): Promise<string | null> {
  const read = await readBoundedFile(path);
  const text = 'problem' in read ? '' : (textOf(read.bytes)?.trim() ?? '');
  return UUID.test(text) ? text : null;
}

/** Printable ASCII, as a header takes it. */
function inHeader(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '').trim();
  return clean === '' ? 'unknown' : clean;
}
