import { isIPv4 } from 'node:net';
import { invalidSetting } from '../login.ts';

const maxUrlLength = 2048;

/**
 * Reads the address of a foreign issuer. `https` only, so that nobody on the way can hand out keys; `http` on the
 * loopback interface only, where there is no way. No credentials, which would end in logs, and no fragment.
 */
export function parseEndpoint(text: string, name: string): URL {
  const url = text.length <= maxUrlLength && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw invalidSetting(`expected '${name}' as a URL`);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url)))
    throw invalidSetting(`expected '${name}' to be https (http is for this machine's loopback only)`);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw invalidSetting(`expected '${name}' without user, password or fragment`);
  return url;
}

/**
 * Reads an address that `from` told us. An issuer on the network must not lead us into this machine: what `from` is
 * not, loopback over plain http, the address it names may not be either.
 */
export function parseNamedEndpoint(text: string, name: string, from: URL): URL {
  const url = parseEndpoint(text, name);
  if (from.protocol === 'https:' && url.protocol !== 'https:')
    throw invalidSetting(`expected '${name}' to be https, as the document that names it`);
  return url;
}

export function isLoopback(url: URL): boolean {
  const host = url.hostname;
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}
