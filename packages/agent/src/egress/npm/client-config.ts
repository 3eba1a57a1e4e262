import type { Registry } from './upstream.ts';

/**
 * Joins what `npm config get registry` says with the user's npmrc: the token for exactly that registry, as npm keys it
 * (`//host/path/:_authToken`, longest path first). `${NAME}` stands for a variable of `env`, as in npm.
 * KNOWN LIMIT: registries per scope and client certificates are not read; every package comes from the one registry.
 */
export function registryFromNpmrc(
  url: string,
  npmrc: string,
  env: Readonly<Record<string, string | undefined>>,
): Pick<Registry, 'url' | 'authorization'> {
  const settings = new Map<string, string>();
  for (const line of npmrc.split(/\r?\n/)) {
    const match = /^\s*(\/\/[^=\s]+:_(?:authToken|auth))\s*=\s*"?([^"\s]*)"?\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    settings.set(
      match[1],
      match[2].replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, name: string) => env[name] ?? whole),
    );
  }
  const { host, pathname } = new URL(url);
  for (const path of pathsUp(pathname)) {
    const token = settings.get(`//${host}${path}:_authToken`);
    if (token !== undefined) return { url, authorization: `Bearer ${token}` };
    const basic = settings.get(`//${host}${path}:_auth`);
    if (basic !== undefined) return { url, authorization: `Basic ${basic}` };
  }
  return { url };
}

function* pathsUp(pathname: string): Generator<string> {
  let path = pathname.endsWith('/') ? pathname : `${pathname}/`;
  while (true) {
    yield path;
    if (path !== '/') yield path.slice(0, -1);
    else return;
    path = path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);
  }
}
