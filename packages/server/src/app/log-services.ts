import { Fault } from '@sallyport/formats';
import {
  createWitness,
  createWitnessing,
  type Ledger,
  type LedgerSigner,
  parseVerifierKey,
  type Witness,
  type Witnessing,
} from '#ledger';
import { createAdmission, createRekor, type Rekor, type Signing } from '#signing';
import type { Ground } from './contexts.ts';

/** The ledger before the world: Sigstore's APIs, the witnesses of its checkpoints, and the witness for other logs. */
export interface LogServices {
  readonly rekor: Rekor;
  readonly witnessing: Witnessing;
  readonly witness: Witness;
}

export async function createLogServices(
  { config, db, clock, log, keyring }: Ground,
  parts: {
    readonly ledger: Ledger;
    readonly logSigner: LedgerSigner;
    readonly signing: Signing;
    readonly issuers: () => Promise<readonly Uint8Array[]>;
  },
): Promise<LogServices> {
  const { ledger, logSigner, signing, issuers } = parts;
  const witnesses = config.witnesses.map((text) => {
    const [key = '', url = '', ...rest] = text.split(' ');
    if (rest.length > 0 || !/^https?:\/\/[^\s]+[^/]$/.test(url)) {
      throw new Fault('invalid', 'config.value', "'witnesses' expected `KEY URL` for each, got other text");
    }
    return { key: parseVerifierKey(key, 'witness'), url };
  });
  const names = new Set(witnesses.map(({ key }) => key.name));
  if (names.size !== witnesses.length || config.witnessQuorum > witnesses.length) {
    throw new Fault(
      'invalid',
      'config.value',
      `expected witnesses of different names, and at least ${config.witnessQuorum} of them, got ${names.size}`,
    );
  }
  const witnessing = createWitnessing({
    db,
    clock,
    log,
    fetch,
    ledger,
    witnesses,
    quorum: config.witnessQuorum,
  });
  const rekor = createRekor({
    db,
    clock,
    ledger: { ...ledger, checkpoint: witnessing.published },
    admission: createAdmission({
      clock,
      writers: config.rekorWriters,
      entriesPerSecond: config.rekorEntriesPerSecond,
      issuers,
    }),
    log: {
      origin: config.ledgerOrigin,
      publicKeySpki: logSigner.publicKeySpki,
      baseUrl: config.publicUrl,
    },
    trustRoot: signing.trustRoot,
    signer: await keyring.signer('rekor'),
  });
  const witness = createWitness({
    db,
    clock,
    signer: await keyring.signer('witness'),
    name: `${config.ledgerOrigin}/witness`,
    logs: config.witnessedLogs.map((text) => parseVerifierKey(text, 'log')),
  });
  return { rekor, witnessing, witness };
}
