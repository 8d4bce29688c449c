import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cleanUp } from './cleanup.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/**
 * A package registry on loopback that offers what is installed in the checkout, so that npm can install a package with its
 * dependencies and needs no network. The URL, with a slash at its end.
 */
export async function startLocalRegistry(): Promise<string> {
  const places = installedPackages();
  const server = createServer((request, response) => {
    const [, name, , version] = /^\/((?:@[^/]+\/)?[^/]+)(\/-\/(.+)\.tgz)?$/.exec(decodeURIComponent(request.url ?? '')) ?? [];
    const versions = places.get(name ?? '');
    const place = version === undefined ? undefined : versions?.get(version);
    const answer = place !== undefined ? sendPackage(response, place) : sendVersions(response, url(), name ?? '', versions);
    answer.catch((error: unknown) => response.destroy(error as Error));
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  return url();
}

/** Folders by name and version, from the lockfile. Packages of other platforms are listed there, too, and are not installed. */
function installedPackages(): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const { packages } = JSON.parse(readFileSync(join(CHECKOUT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { readonly version: string; readonly dev?: boolean; readonly optional?: boolean }>;
  };
  const places = new Map<string, Map<string, string>>();
  for (const [place, { version, dev, optional }] of Object.entries(packages)) {
    if (place === '' || dev === true || optional === true) continue;
    const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
    places.set(name, (places.get(name) ?? new Map()).set(version, join(CHECKOUT, place)));
  }
  return places;
}

async function sendVersions(
  response: ServerResponse,
  url: string,
  name: string,
  versions: ReadonlyMap<string, string> | undefined,
): Promise<void> {
  if (versions === undefined) {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
    return;
  }
  const manifests = await Promise.all(
    [...versions].map(async ([version, place]) => {
      const manifest = JSON.parse(await readFile(join(place, 'package.json'), 'utf8')) as object;
      return [version, { ...manifest, dist: { tarball: `${url}${name}/-/${version}.tgz` } }] as const;
    }),
  );
  const latest = [...versions.keys()].at(-1);
  const document = { name, 'dist-tags': { latest }, versions: Object.fromEntries(manifests) };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
}

/** The folder as npm packs it: everything below `package/`, without the packages installed inside. */
async function sendPackage(response: ServerResponse, place: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kmi-package-'));
  try {
    await symlink(place, join(folder, 'package'));
    const tar = spawn('tar', ['-C', folder, '-czhf', '-', '--exclude', 'package/node_modules', 'package'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    tar.stdout.pipe(response);
    const [code] = await once(tar, 'close');
    if (code !== 0) throw new Error(`tar ended with ${code}.`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
