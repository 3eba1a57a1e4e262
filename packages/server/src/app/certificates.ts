import { decodeJwt } from 'jose';
import type { Identity } from '#identity';
import type { Ledger } from '#ledger';
import { type Authority, createAuthority, createFederation, type Federation } from '#signing';
import { createForeignTokens } from '#vault';
import type { Ground } from './contexts.ts';

type CertificateGround = Pick<Ground, 'db' | 'clock' | 'random' | 'log' | 'keyring'> & {
  readonly config: Pick<Ground['config'], 'publicUrl' | 'installation'>;
};

/** Who gets certificates, and who makes them. */
export interface Certificates {
  readonly federation: Federation;
  readonly authority: Authority;
}

export function createCertificates(
  { db, clock, random, log, config, keyring }: CertificateGround,
  { identity, ledger }: { readonly identity: Identity; readonly ledger: Ledger },
): Certificates {
  const tokens = createForeignTokens();
  return {
    federation: createFederation({
      db,
      audit: ledger,
      clock,
      log,
      verifyToken: tokens.verify,
      ownTokens: {
        issuer: config.publicUrl,
        async verify(text) {
          // Verified, and its step still runs; only then is the rest of it read.
          await identity.authenticate(text);
          return decodeJwt(text);
        },
      },
    }),
    authority: createAuthority({
      db,
      audit: ledger,
      clock,
      random,
      signer: (name) => keyring.signer(name),
      organisation: config.installation,
      publicUrl: config.publicUrl,
      appendAllEvidence: (tx, bodies) => ledger.appendAllEvidence(tx, bodies),
    }),
  };
}
