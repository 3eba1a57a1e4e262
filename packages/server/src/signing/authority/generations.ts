import { X509Certificate } from 'node:crypto';
import { digestOf, equalBytes, Fault } from '@sallyport/formats';
import type { Actor, Audit, Clock, Db, Json, Random } from '#platform';
import { createSharedRead } from '../shared-read.ts';
import { authorityStore as store } from './store.pg.ts';
import { type AuthorityRow, maxGenerations } from './store.ts';
import {
  authorityKeyId,
  certificate,
  codeSigning,
  isAuthority,
  nameOf,
  signsCertificates,
  subjectKeyId,
  tbsCertificate,
} from './x509.ts';

/** A key of the keyring: ECDSA P-256 with SHA-256, signatures in DER. */
export interface AuthoritySigner {
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

export type AuthorityKey = 'ct' | `ca-${'root' | 'intermediate'}-${number}`;

/** A chain that certificates are or were issued under. */
export interface Generation {
  readonly number: number;
  readonly rootNumber: number;
  /** DER. */
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  /** DER of the intermediate's Name, as leaves repeat it. */
  readonly issuerName: Uint8Array;
  readonly signer: AuthoritySigner;
  readonly validFrom: Date;
  readonly validUntil: Date;
}

export interface GenerationsDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: (name: AuthorityKey) => Promise<AuthoritySigner>;
  readonly organisation: string;
}

const yearMs = 365.25 * 24 * 3600 * 1000;
const rootYears = 20;
const intermediateYears = 5;

/**
 * Root and intermediate, generation after generation. A rotation makes a new intermediate (and, when asked, a new root)
 * that issues from then on; the chains before it stay, so that what they signed is verified as before.
 */
export function createGenerations(deps: GenerationsDeps) {
  const { db, audit, clock, random } = deps;
  const known = new Map<number, Generation>();
  const rows = createSharedRead(() => db.statement((tx) => store.list(tx)));

  async function make(number: number, rootNumber: number, previous: AuthorityRow | undefined) {
    const at = clock.now();
    const rootKey = await deps.signer(`ca-root-${rootNumber}`);
    const key = await deps.signer(`ca-intermediate-${number}`);
    const rootName = nameOf(deps.organisation, `root ${rootNumber}`);
    const fields = {
      issuer: rootName,
      notBefore: at,
      serial: newSerial(random),
      extensions: [signsCertificates, isAuthority(1), subjectKeyId(rootKey.publicKeySpki)],
    };
    const root =
      previous?.root ??
      certificate(
        tbsCertificate({
          ...fields,
          subject: rootName,
          notAfter: new Date(at.getTime() + rootYears * yearMs),
          publicKeySpki: rootKey.publicKeySpki,
        }),
        rootKey.sign,
      );
    const rootEnds = new X509Certificate(root).validToDate.getTime();
    const intermediate = certificate(
      tbsCertificate({
        ...fields,
        serial: newSerial(random),
        subject: nameOf(deps.organisation, `intermediate ${number}`),
        notAfter: new Date(Math.min(at.getTime() + intermediateYears * yearMs, rootEnds)),
        publicKeySpki: key.publicKeySpki,
        // Path length 0 and the purpose: a leaf cannot issue, and nothing below serves TLS.
        extensions: [
          signsCertificates,
          codeSigning,
          isAuthority(0),
          subjectKeyId(key.publicKeySpki),
          authorityKeyId(rootKey.publicKeySpki),
        ],
      }),
      rootKey.sign,
    );
    return { number, rootNumber, root, intermediate, createdAt: at };
  }

  /** A row counts only if the keyring's keys made it: what somebody wrote into the table issues nothing. */
  async function open(row: AuthorityRow): Promise<Generation> {
    const ready = known.get(row.number);
    if (ready !== undefined && equalBytes(ready.intermediate, row.intermediate)) return ready;
    const rootKey = await deps.signer(`ca-root-${row.rootNumber}`);
    const signer = await deps.signer(`ca-intermediate-${row.number}`);
    const root = new X509Certificate(row.root);
    const intermediate = new X509Certificate(row.intermediate);
    const ours =
      equalBytes(spkiOf(root), rootKey.publicKeySpki) &&
      equalBytes(spkiOf(intermediate), signer.publicKeySpki) &&
      root.verify(root.publicKey) &&
      intermediate.verify(root.publicKey);
    if (!ours) {
      throw new Fault(
        'integrity',
        'signing.authority_mismatch',
        `expected generation ${row.number} of the certificate authority by the keys of the keyring, got another`,
        { hint: 'run "sally ledger verify"' },
      );
    }
    const generation: Generation = {
      number: row.number,
      rootNumber: row.rootNumber,
      root: row.root,
      intermediate: row.intermediate,
      issuerName: nameOf(deps.organisation, `intermediate ${row.number}`),
      signer,
      validFrom: intermediate.validFromDate,
      validUntil: intermediate.validToDate,
    };
    known.set(row.number, generation);
    return generation;
  }

  /** Adds a generation after `newest`, unless another process did meanwhile. */
  async function add(newest: AuthorityRow | undefined, newRoot: boolean, actor: Pick<Actor, 'kind' | 'id'>) {
    const number = (newest?.number ?? 0) + 1;
    if (number > maxGenerations) {
      throw new Fault(
        'exhausted',
        'signing.authority_full',
        `expected at most ${maxGenerations} generations`,
      );
    }
    const keep = newest !== undefined && !newRoot ? newest : undefined;
    // Keys first: they are made in transactions of their own, and one that is not used in the end harms nobody.
    const row = await make(number, keep?.rootNumber ?? number, keep);
    await db.write(async (tx) => {
      await store.lock(tx);
      const [latest] = await store.list(tx);
      if (latest?.number !== newest?.number) return;
      await store.insert(tx, row);
      const { kind, id } = actor;
      await audit.record(tx, {
        type: 'signing.authority.created',
        actor: { kind, id },
        resource: authorityResource(row),
        state: authorityState(row),
      });
    });
  }

  async function list(): Promise<readonly Generation[]> {
    let found = await rows();
    if (found.length === 0) {
      await add(undefined, true, { kind: 'system', id: 'system' });
      found = await rows();
    }
    return Promise.all(found.map(open));
  }

  return {
    /** Newest first; the first one issues. Makes the first generation where there is none. */
    list,
    async current(): Promise<Generation> {
      const [newest] = (await list()) as [Generation, ...Generation[]];
      return newest;
    },
    async rotate(newRoot: boolean, actor: Pick<Actor, 'kind' | 'id'>): Promise<Generation> {
      await list();
      const [newest] = await rows();
      await add(newest, newRoot, actor);
      const [made] = (await list()) as [Generation, ...Generation[]];
      return made;
    },
  };
}

/** 160 bits at most and positive (RFC 5280 section 4.1.2.2); the second highest bit is set, so that all are as long. */
export function newSerial(random: Random): Uint8Array {
  const serial = random.bytes(20);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function spkiOf(x509: X509Certificate): Uint8Array {
  return x509.publicKey.export({ type: 'spki', format: 'der' });
}

export function authorityResource({ number }: Pick<AuthorityRow, 'number'>): string {
  return `certificate-authority/${number}`;
}

export function authorityState(row: AuthorityRow): Json {
  return {
    number: row.number,
    root: digestOf(row.root),
    intermediate: digestOf(row.intermediate),
    createdAt: row.createdAt.toISOString(),
  };
}
