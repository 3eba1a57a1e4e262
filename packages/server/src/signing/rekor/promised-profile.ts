import {
  type Checkpoint,
  canonicalJson,
  checkpointText,
  noteSignatureLine,
  sha256,
  toBase64,
  toHex,
  utf8,
} from '@sallyport/formats';

/** The key of the first API's profile: ECDSA P-256, which its verifiers expect. */
export interface PromiseSigner {
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** The same tree as the first log API shows it: another key, another spelling of the checkpoint, promises. */
export interface ProfileV1 {
  readonly publicKeySpki: Uint8Array;
  /** Hexadecimal SHA-256 of the SubjectPublicKeyInfo. */
  readonly logId: string;
  /** Decimal; below 2^63. Names the tree in checkpoints and entry ids. */
  readonly treeId: string;
  /** Tree id and leaf hash: how entries are named in addresses. */
  uuid(entryId: string): string;
  /** The id of the entry that a uuid, or the leaf hash alone, names; undefined for one of another tree. */
  entryId(uuid: string): string | undefined;
  /** A checkpoint of the first profile for a tree that the log has signed. */
  note(checkpoint: Checkpoint): string;
  /** What a signed entry timestamp is over. */
  promised(body: Uint8Array, leafIndex: number, integratedTime: number): Uint8Array;
}

export function createProfileV1(origin: string, signer: PromiseSigner): ProfileV1 {
  const { publicKeySpki } = signer;
  const keyHash = sha256(publicKeySpki);
  const logId = toHex(keyHash);
  // From the key, so that it is the same for ever and on every replica.
  const tree = BigInt(`0x${logId.slice(0, 16)}`) & 0x7fff_ffff_ffff_ffffn;
  const treeHex = tree.toString(16).padStart(16, '0');
  const last = { text: '', note: '' };
  return {
    publicKeySpki,
    logId,
    treeId: String(tree),
    uuid: (entryId) => `${treeHex}${entryId.slice('evd_'.length)}`,
    entryId: (uuid) => {
      if (uuid.length === 64) return `evd_${uuid}`;
      return uuid.startsWith(treeHex) ? `evd_${uuid.slice(treeHex.length)}` : undefined;
    },
    note(checkpoint) {
      // The origin has a space, which the strict form of today does not allow: only its first line differs.
      const [, ...rest] = checkpointText({ ...checkpoint, origin }).split('\n');
      const text = [`${origin} - ${tree}`, ...rest].join('\n');
      if (last.text !== text) {
        last.note = `${text}\n${noteSignatureLine(origin, keyHash, signer.sign(utf8(text)))}`;
        last.text = text;
      }
      return last.note;
    },
    promised: (body, leafIndex, integratedTime) =>
      utf8(canonicalJson({ body: toBase64(body), integratedTime, logID: logId, logIndex: leafIndex })),
  };
}
