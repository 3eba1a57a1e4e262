import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * The certificate with which the caller proved itself, verified against `tls_client_ca_file`; undefined without TLS,
 * without that option, and for a caller who brought none. Its `issuerCertificate` leads to what it was verified with.
 */
export function peerCertificateOf({ socket }: { readonly socket: Socket }): X509Certificate | undefined {
  return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
}
