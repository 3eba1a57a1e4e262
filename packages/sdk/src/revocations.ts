import type { Revocation, RevocationEntry, Revocations, RevocationTarget } from '@sallyport/formats';
import { path, type Transport } from './transport.ts';

/** The newest list, and the signed bundle that says so. */
export interface RevocationsView extends Revocations {
  readonly bundleDigest: string;
  readonly logIndex: number;
  readonly bundle: string;
}

export interface RevocationsClient {
  list(): Promise<RevocationsView>;
  /** `from`: RFC 3339 in UTC; everything that was ever signed when absent. */
  revoke(target: RevocationTarget, reason: string, from?: string): Promise<Revocation>;
  restore(id: string, reason: string): Promise<RevocationEntry>;
}

export function createRevocationsClient({ json }: Transport): RevocationsClient {
  return {
    list: () => json('GET', '/api/revocations'),
    revoke: (target, reason, from) =>
      json('POST', '/api/revocations', { body: { target, reason, ...(from === undefined ? {} : { from }) } }),
    restore: (id, reason) => json('POST', path`/api/revocations/${id}/restoration`, { body: { reason } }),
  };
}
