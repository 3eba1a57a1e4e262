import {
  type Checkpoint,
  emptyRootHash,
  equalBytes,
  Fault,
  fromBase64,
  isFault,
  parseCheckpoint,
  verifyCheckpoint,
  verifyConsistency,
} from '@sallyport/formats';
import type { Clock, Db } from '#platform';
import type { LedgerSigner } from '../head.ts';
import { cosign } from './cosignature.ts';
import { witnessStore as store } from './store.pg.ts';
import { type VerifierKey, verifierKeyOf } from './verifier-key.ts';

export interface WitnessDeps {
  readonly db: Db;
  readonly clock: Clock;
  /** Ed25519, used for nothing else: a witness's word must not be taken for a log's. */
  readonly signer: LedgerSigner;
  /** Name of this witness in its cosignatures. */
  readonly name: string;
  /** The logs that are watched; all others are unknown. */
  readonly logs: readonly VerifierKey[];
}

export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly line: string }
  /** The log should go on from this size, or has shown another tree of it. */
  | { readonly kind: 'conflict'; readonly treeSize: number };

/** A witness (c2sp.org/tlog-witness v1.0.0): remembers the last tree of each log, and cosigns only what extends it. */
export interface Witness {
  /** What a log's operator configures to ask us. */
  readonly verifierKey: string;
  /**
   * Judges the body of an add-checkpoint request. Throws `invalid` for what cannot be read, `not_found` for a log that
   * is not watched, `denied` for a checkpoint it did not sign and `integrity` for a proof that does not hold.
   */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
}

const maxProofHashes = 63;

export function createWitness({ db, clock, signer, name, logs }: WitnessDeps): Witness {
  const key = verifierKeyOf(name, 'witness', signer.publicKeySpki);
  return {
    verifierKey: key.text,
    async addCheckpoint(body) {
      const { oldSize, hashes, note } = readRequest(body);
      const checkpoint = openCheckpoint(note, logs);
      if (oldSize > checkpoint.treeSize) throw malformed('an old size beyond the checkpoint');
      const conflict = await db.write(async (tx) => {
        const last = (await store.headForUpdate(tx, checkpoint.origin)) ?? {
          treeSize: 0,
          rootHash: emptyRootHash(),
        };
        if (last.treeSize !== oldSize) return last.treeSize;
        if (checkpoint.treeSize === oldSize && !equalBytes(checkpoint.rootHash, last.rootHash))
          return oldSize;
        verifyConsistency({
          firstSize: last.treeSize,
          firstRoot: last.rootHash,
          secondSize: checkpoint.treeSize,
          secondRoot: checkpoint.rootHash,
          hashes,
        });
        await store.setHead(tx, checkpoint.origin, checkpoint);
        return undefined;
      });
      if (conflict !== undefined) return { kind: 'conflict', treeSize: conflict };
      // Only now, as the tree is durable: after a crash we would else cosign another one of the same size.
      const time = Math.floor(clock.now().getTime() / 1000);
      const { signedText } = parseCheckpoint(note);
      const { line } = cosign(signedText, time, key, (bytes) => signer.sign(bytes));
      return { kind: 'cosigned', line };
    },
  };
}

function openCheckpoint(note: string, logs: readonly VerifierKey[]): Checkpoint {
  const { origin } = parseCheckpoint(note);
  const keys = logs.filter((log) => log.name === origin);
  if (keys.length === 0) {
    throw new Fault(
      'not_found',
      'ledger.unknown_log',
      'expected a log that this witness watches, got another',
    );
  }
  try {
    return verifyCheckpoint(note, keys);
  } catch (cause) {
    if (!isFault(cause) || cause.kind !== 'integrity') throw cause;
    throw new Fault('denied', 'ledger.not_the_log', 'the checkpoint is not signed by the log', { cause });
  }
}

function readRequest(body: string): { oldSize: number; hashes: Uint8Array[]; note: string } {
  const end = body.indexOf('\n\n');
  const [first = '', ...lines] = body.slice(0, Math.max(end, 0)).split('\n');
  const [, size] = /^old (0|[1-9][0-9]{0,15})$/.exec(first) ?? [];
  if (size === undefined || !Number.isSafeInteger(Number(size))) throw malformed('another first line');
  if (lines.length > maxProofHashes) throw malformed(`more than ${maxProofHashes} hashes`);
  const hashes = lines.map((line) => fromBase64(line));
  if (hashes.some((hash) => hash.length !== 32)) throw malformed('a hash of another length');
  return { oldSize: Number(size), hashes, note: body.slice(end + 2) };
}

function malformed(got: string): Fault {
  return new Fault(
    'invalid',
    'ledger.add_checkpoint',
    `expected "old <size>", proof hashes, an empty line and a checkpoint (c2sp.org/tlog-witness), got ${got}`,
  );
}
