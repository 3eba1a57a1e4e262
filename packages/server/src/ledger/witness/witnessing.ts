import { Fault, isFault, parseCheckpoint, toBase64 } from '@sallyport/formats';
import type { Clock, Db, Log } from '#platform';
import { findCosignature } from './cosignature.ts';
import { witnessStore as store } from './store.pg.ts';
import type { VerifierKey } from './verifier-key.ts';

export interface WitnessAddress {
  readonly key: VerifierKey;
  /** The prefix that `add-checkpoint` is below. */
  readonly url: string;
}

export interface WitnessingDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly fetch: typeof fetch;
  readonly ledger: {
    checkpoint(): Promise<string>;
    consistencyProof(first: number, second: number): Promise<readonly Uint8Array[]>;
  };
  readonly witnesses: readonly WitnessAddress[];
  /** How many cosignatures a checkpoint needs; with 0 every checkpoint is published at once. */
  readonly quorum: number;
}

/** What became of asking one witness. */
export type Asked = 'cosigned' | 'unchanged' | 'refused' | 'unreachable';

/** Our own log before its witnesses. */
export interface Witnessing {
  /** Asks every witness about the newest checkpoint; answers per witness. Bounded in time; safe on any replica. */
  advance(): Promise<Readonly<Record<string, Asked>>>;
  /**
   * The newest checkpoint that may be shown, with the cosignatures it has: with a quorum the newest that reached it,
   * which may be older than the tree.
   */
  published(): Promise<string>;
}

const timeoutMilliseconds = 5000;
const maxAnswerBytes = 16_384;
/** A cosignature from further ahead of our clock says nothing about when. */
const maxAheadSeconds = 300;

export function createWitnessing(deps: WitnessingDeps): Witnessing {
  const { db, clock, log, ledger, witnesses, quorum } = deps;
  const names = witnesses.map(({ key }) => key.name);

  async function ask(witness: WitnessAddress, note: string): Promise<Asked> {
    const { treeSize, signedText } = parseCheckpoint(note);
    const { name } = witness.key;
    let oldSize = await db.read((tx) => store.lastCosigned(tx, name));
    if (treeSize === 0 || oldSize === treeSize) return 'unchanged';
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const answer = await send(witness, await requestOf(oldSize, treeSize, note));
      if (answer.status === 409 && attempt === 0) {
        const size = Number(/^([0-9]{1,16})\n$/.exec(answer.text)?.[1] ?? Number.NaN);
        // It has seen more of our log than we have, or another tree of this size: our database was set back.
        if (!(size < treeSize)) break;
        oldSize = size;
        continue;
      }
      if (answer.status !== 200) break;
      const cosignature = findCosignature(signedText, answer.text, witness.key);
      const latest = clock.now().getTime() / 1000 + maxAheadSeconds;
      if (cosignature === undefined || cosignature.time > latest) break;
      await db.write((tx) => store.keepCosignature(tx, treeSize, name, cosignature.line));
      return 'cosigned';
    }
    log.error(
      { witness: name, treeSize },
      'a witness refuses the checkpoint of this log: it may have forked',
    );
    return 'refused';
  }

  async function requestOf(oldSize: number, treeSize: number, note: string): Promise<string> {
    const hashes = oldSize === 0 ? [] : await ledger.consistencyProof(oldSize, treeSize);
    return `old ${oldSize}\n${hashes.map((hash) => `${toBase64(hash)}\n`).join('')}\n${note}`;
  }

  async function send({ url }: WitnessAddress, body: string): Promise<{ status: number; text: string }> {
    const response = await deps.fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    return { status: response.status, text: await boundedText(response) };
  }

  return {
    async advance() {
      if (witnesses.length === 0) return {};
      const note = await ledger.checkpoint();
      const asked = await Promise.all(
        witnesses.map(async (witness) => {
          try {
            return await ask(witness, note);
          } catch (error) {
            if (isFault(error) && error.kind === 'internal') throw error;
            log.warn({ witness: witness.key.name, err: error }, 'a witness did not answer');
            return 'unreachable';
          }
        }),
      );
      return Object.fromEntries(witnesses.map(({ key }, i) => [key.name, asked[i] ?? 'unreachable']));
    },
    async published() {
      if (witnesses.length === 0) return ledger.checkpoint();
      const newest = await ledger.checkpoint();
      return db.read(async (tx) => {
        const treeSize =
          quorum === 0 ? parseCheckpoint(newest).treeSize : await store.largestWithQuorum(tx, names, quorum);
        if (treeSize === undefined) throw noQuorum();
        const note = quorum === 0 ? newest : await store.note(tx, treeSize);
        if (note === undefined) throw noQuorum();
        const lines = await store.cosignatures(tx, treeSize);
        return (
          note +
          lines
            .filter(({ witness }) => names.includes(witness))
            .map(({ line }) => line)
            .join('')
        );
      });
    },
  };
}

function noQuorum(): Fault {
  return new Fault(
    'unavailable',
    'ledger.no_quorum',
    'expected a checkpoint that enough witnesses have cosigned, got none yet',
    { hint: 'see the log of the server for witnesses that do not answer' },
  );
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxAnswerBytes) {
      throw new Fault(
        'invalid',
        'ledger.witness_answer',
        `expected at most ${maxAnswerBytes} bytes, got more`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
