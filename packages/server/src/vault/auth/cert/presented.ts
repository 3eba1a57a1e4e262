import type { X509Certificate } from 'node:crypto';

const maxPresented = 8;
const maxRemembered = 1000;

/**
 * The certificates behind a connection: the client's own first, then what it sent along. A resumed TLS session brings
 * only the first (RFC 8446 section 2.2 sends none again), so what came along before is remembered for it, for the last
 * 1,000 clients. None of it is believed for that: a chain over them is verified each time.
 */
export function createPresented(): (own: X509Certificate) => readonly X509Certificate[] {
  const remembered = new Map<string, readonly X509Certificate[]>();

  return (own) => {
    const id = own.fingerprint256;
    const before = remembered.get(id);
    const now = chainOf(own);
    const chain = before !== undefined && before.length > now.length ? before : now;
    remembered.delete(id);
    if (chain.length > 1) remembered.set(id, chain);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= maxRemembered) break;
      remembered.delete(oldest);
    }
    return chain;
  };
}

function chainOf(own: X509Certificate): readonly X509Certificate[] {
  const chain = [own];
  for (let above = own.issuerCertificate; above !== undefined; above = above.issuerCertificate) {
    const { raw } = above;
    if (chain.length >= maxPresented || chain.some((below) => below.raw.equals(raw))) break;
    chain.push(above);
  }
  return chain;
}
