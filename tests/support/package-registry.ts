import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly tarball: Buffer;
  readonly integrity: string;
  readonly publishedAt: string;
}

export interface PackageRegistry {
  readonly url: string;
  readonly requests: readonly string[];
  publish(one: Package): void;
  close(): Promise<void>;
}

/** A package made from files, as `npm pack` would: everything below `package/`. */
export function makePackage(
  name: string,
  version: string,
  files: Readonly<Record<string, string | { readonly copyOf: string }>>,
  publishedAt = '2026-01-01T00:00:00.000Z',
): Package {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-pack-'));
  try {
    const all: Readonly<Record<string, string | { readonly copyOf: string }>> = {
      'package.json': JSON.stringify({ name, version }),
      ...files,
    };
    for (const [file, content] of Object.entries(all)) {
      const target = join(directory, 'package', file);
      mkdirSync(join(target, '..'), { recursive: true });
      if (typeof content === 'string') writeFileSync(target, content);
      else copyFileSync(content.copyOf, target);
      if (file.startsWith('bin/')) chmodSync(target, 0o755);
    }
    execFileSync(
      'tar',
      ['-cf', 'out.tar', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', 'package'],
      { cwd: directory },
    );
    execFileSync('gzip', ['-n1', 'out.tar'], { cwd: directory });
    const tarball = readFileSync(join(directory, 'out.tar.gz'));
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    return { name, version, tarball, integrity, publishedAt };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** An npm registry on loopback: packuments with times and tarballs, nothing else. */
export async function startPackageRegistry(packages: readonly Package[]): Promise<PackageRegistry> {
  const known = new Map<string, Package[]>();
  const requests: string[] = [];
  const publish = (one: Package): void => {
    known.set(one.name, [...(known.get(one.name) ?? []).filter((old) => old.version !== one.version), one]);
  };
  for (const one of packages) publish(one);
  const server = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '/');
    requests.push(url);
    const [name = '', file] = url.slice(1).split('/-/');
    const found = known.get(name);
    if (found === undefined) {
      response.writeHead(404).end('{"error":"not found"}');
      return;
    }
    if (file === undefined) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(packument(name, found, `http://${request.headers.host}`)));
      return;
    }
    const one = found.find((candidate) => file === `${name.split('/').at(-1)}-${candidate.version}.tgz`);
    if (one === undefined) response.writeHead(404).end();
    else response.end(one.tarball);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always this
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    publish,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function packument(name: string, versions: readonly Package[], base: string): object {
  return {
    name,
    'dist-tags': { latest: versions.at(-1)?.version },
    time: Object.fromEntries(versions.map((one) => [one.version, one.publishedAt])),
    versions: Object.fromEntries(
      versions.map((one) => [
        one.version,
        {
          name,
          version: one.version,
          dist: {
            tarball: `${base}/${name}/-/${name.split('/').at(-1)}-${one.version}.tgz`,
            integrity: one.integrity,
          },
        },
      ]),
    ),
  };
}
