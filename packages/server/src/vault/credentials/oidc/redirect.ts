/** Hosts that a person's own machine listens on while she logs in at a command line. */
const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);
const maxUriLength = 2048;

/**
 * Whether the issuer may send the person back to `uri`: to the letter one of `allowed` (RFC 9700 section 2.1), except
 * that a command line on the loopback interface picks its port when it starts (RFC 8252 section 7.3).
 */
export function isAllowedRedirect(allowed: readonly string[], uri: string): boolean {
  if (uri.length > maxUriLength) return false;
  if (allowed.includes(uri)) return true;
  const asked = loopbackUri(uri);
  return asked !== undefined && allowed.some((each) => loopbackUri(each) === asked);
}

/** The URI without its port, if it is plain http on the loopback interface and nothing else is odd about it. */
function loopbackUri(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== 'http:' || !loopbackHosts.has(url.hostname)) return undefined;
  if (url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
  return `${url.hostname}${url.pathname}${url.search}`;
}
