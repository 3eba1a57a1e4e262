import { Fault, sha256 } from '@sallyport/formats';
import type { Actor, AuditedTable, Tx } from '#platform';
import type { Principal } from '../federation/principal.ts';
import { createBatches } from '../rekor/batches.ts';
import type { TrustMaterial } from '../trust/trust.ts';
import {
  authorityResource,
  authorityState,
  createGenerations,
  type Generation,
  type GenerationsDeps,
  newSerial,
} from './generations.ts';
import { leafExtensions, leafSeconds, leafTbs, signedTimestamp, timestampedEntry } from './leaf.ts';
import type { AcceptedKey } from './public-key.ts';
import { authorityStore } from './store.pg.ts';
import { certificate, toPem } from './x509.ts';

export interface AuthorityDeps extends GenerationsDeps {
  /** Adds leaves to the log in the caller's transaction, the bytes exactly as given; the same bytes again are one leaf. */
  readonly appendAllEvidence: (tx: Tx, bodies: readonly Uint8Array[]) => Promise<readonly unknown[]>;
  readonly publicUrl: string;
}

/** A chain and how long certificates were, are or can be issued under it. */
export interface AuthorityChain {
  readonly number: number;
  /** DER, the intermediate first. */
  readonly certificates: readonly Uint8Array[];
  readonly validFrom: Date;
  readonly validUntil: Date;
}

/** The log that vouches for certificates: its entries are leaves of the ledger, its promises have a key of their own. */
export interface CertificateLog {
  readonly publicKeySpki: Uint8Array;
  /** SHA-256 of the key (RFC 6962 section 3.2). */
  readonly logId: Uint8Array;
  readonly validFrom: Date;
}

/** The certificate authority: short certificates for identities that others vouch for. */
export interface Authority {
  /**
   * A chain in PEM, leaf first. When it resolves, the entry that the signed timestamp promises is durable. `key` was
   * accepted and its proof checked by the caller.
   */
  issue(principal: Principal, key: AcceptedKey): Promise<readonly string[]>;
  /** Newest first; all that a verifier has to know. Makes the first one where there is none. */
  chains(): Promise<readonly AuthorityChain[]>;
  certificateLog(): Promise<CertificateLog>;
  /** DER: what issues leaves, or did. */
  intermediates(): Promise<readonly Uint8Array[]>;
  /** For the documents that Sigstore's clients verify and sign by. */
  material(): Promise<TrustMaterial>;
  /** Another intermediate issues from now on, under the same root or a new one. The chains before it stay valid. */
  rotate(options: { readonly newRoot: boolean }, actor: Actor): Promise<AuthorityChain>;
}

const maxBatch = 256;
/** Two seconds' worth at the speed the log can bear; who comes beyond it is told to come again. */
const maxWaiting = 4096;

export function createAuthority(deps: AuthorityDeps): Authority {
  const { db, clock, random } = deps;
  const generations = createGenerations(deps);
  const append = createBatches(maxBatch, maxWaiting, (bodies: readonly Uint8Array[]) =>
    db.write((tx) => deps.appendAllEvidence(tx, bodies)),
  );
  const toChain = ({ number, intermediate, root, validFrom, validUntil }: Generation): AuthorityChain => ({
    number,
    certificates: [intermediate, root],
    validFrom,
    validUntil,
  });

  async function certificateLog(): Promise<CertificateLog> {
    const { publicKeySpki } = await deps.signer('ct');
    const first = (await generations.list()).at(-1);
    return { publicKeySpki, logId: sha256(publicKeySpki), validFrom: first?.validFrom ?? clock.now() };
  }

  return {
    async issue(principal, key) {
      const generation = await generations.current();
      const log = await deps.signer('ct');
      const at = clock.now();
      if (at.getTime() + leafSeconds * 1000 > generation.validUntil.getTime()) {
        throw new Fault(
          'unavailable',
          'signing.authority_ended',
          'the intermediate certificate ends before the leaf',
          {
            hint: 'rotate the certificate authority: sally authority rotate',
          },
        );
      }
      const request = {
        principal,
        publicKeySpki: key.spki,
        serial: newSerial(random),
        at,
        issuer: { name: generation.issuerName, publicKeySpki: generation.signer.publicKeySpki },
      };
      const extensions = leafExtensions(request);
      const entry = timestampedEntry(leafTbs(request, extensions), generation.signer.publicKeySpki, at);
      await append.add(entry);
      // Only now does anything exist that verifies: a crash before leaves an entry without a certificate, never the
      // other way round.
      const sct = signedTimestamp(log.publicKeySpki, at, log.sign(entry));
      const leaf = certificate(leafTbs(request, extensions, sct), generation.signer.sign);
      return [leaf, generation.intermediate, generation.root].map(toPem);
    },
    chains: async () => (await generations.list()).map(toChain),
    intermediates: async () => (await generations.list()).map(({ intermediate }) => intermediate),
    certificateLog,
    async material() {
      const log = await certificateLog();
      const listed = await generations.list();
      return {
        trust: {
          certificateAuthorities: listed.map(({ number, intermediate, root, validFrom, validUntil }) => ({
            organization: deps.organisation,
            commonName: `intermediate ${number}`,
            uri: deps.publicUrl,
            certificates: [intermediate, root],
            validFor: { start: validFrom.toISOString(), end: validUntil.toISOString() },
          })),
          ctlogs: [
            {
              baseUrl: deps.publicUrl,
              publicKey: log.publicKeySpki,
              keyDetails: 'PKIX_ECDSA_P256_SHA_256',
              keyId: log.logId,
              validFor: { start: log.validFrom.toISOString() },
            },
          ],
        },
        services: {
          caUrls: [
            { url: deps.publicUrl, majorApiVersion: 1, validFor: { start: log.validFrom.toISOString() } },
          ],
        },
      };
    },
    rotate: async ({ newRoot }, actor) => toChain(await generations.rotate(newRoot, actor)),
  };
}

/** For `ledger verify`: which chains were made here. */
export function authorityAudited(): AuditedTable {
  return {
    kind: 'certificate-authority',
    states: async (tx) =>
      (await authorityStore.list(tx)).map((row) => [authorityResource(row), authorityState(row)] as const),
  };
}
