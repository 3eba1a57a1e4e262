import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault, fromBase64, fromUtf8 } from '@sallyport/formats';

/** How to sign in to one registry. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** The only origin that may see them; without it the registry's own word of where its tokens are is believed. */
  readonly onlyAt?: string;
}

const maxConfigBytes = 1024 * 1024;

/**
 * What `docker login` (and podman, crane, oras) left for a host in `config.json`. A file that is not there knows nobody.
 *
 * KNOWN LIMIT: credential helpers (`credHelpers`, `credsStore`) are not asked; only what stands in the file is used.
 */
export function dockerCredentials(
  host: string,
  env: Readonly<Record<string, string | undefined>>,
): Credentials | undefined {
  const directory = env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '/', '.docker');
  let text: string;
  try {
    text = readFileSync(join(directory, 'config.json'), 'utf8');
  } catch {
    return undefined;
  }
  const auths = member(text.length > maxConfigBytes ? undefined : parsed(text, directory), 'auths');
  const names = host === 'registry-1.docker.io' ? ['https://index.docker.io/v1/', 'docker.io', host] : [host];
  for (const name of [...names, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`]) {
    const found = member(auths, name);
    const token = member(found, 'identitytoken');
    const auth = member(found, 'auth');
    if (typeof token === 'string' && token !== '') return { user: '<token>', password: token };
    if (typeof auth !== 'string' || auth === '') continue;
    const pair = fromUtf8(fromBase64(auth));
    const at = pair.indexOf(':');
    if (at > 0) return { user: pair.slice(0, at), password: pair.slice(at + 1) };
  }
  return undefined;
}

function parsed(text: string, directory: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault('invalid', 'cli.docker_config', `expected JSON in ${join(directory, 'config.json')}`, {
      cause,
    });
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
