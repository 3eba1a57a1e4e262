import { SecretBytes, toHex } from '@sallyport/formats';
import {
  associatedData,
  keySizeBytes,
  nonceSizeBytes,
  unwrapKey,
  wrapKey,
  wrappedKeySizeBytes,
} from '../aead.ts';
import type { Entropy } from '../entropy.ts';
import { decryptFailed, keyringClosed } from '../faults.ts';
import type { Seal } from '../seal.ts';
import { combine, requireSplit, type Split, split } from './shamir.ts';

/**
 * format (1) || shares (1) || threshold (1) || id of the seal key (16) || wrapped root (60). The head is in the clear,
 * because progress is shown before anything opens, and is bound as associated data.
 */
const format = 1;
const idSizeBytes = 16;
const headSizeBytes = 3 + idSizeBytes;
export const shareSealKind = 'shamir';

/** A seal key: 256 bits that outlive the process as shares only. */
export interface ShareKey {
  readonly split: Split;
  /** The bytes themselves; they become zero with `wipe`. */
  readonly bytes: SecretBytes;
  /** A fresh set of shares; any `threshold` of one set give the key back, shares of two sets do not. */
  shares(): readonly SecretBytes[];
  wrap(root: SecretBytes): Uint8Array;
  /** `undefined` for everything that this key did not seal. */
  unwrap(sealed: Uint8Array): SecretBytes | undefined;
  isOf(sealed: Uint8Array): boolean;
  wipe(): void;
}

/** A seal that people open: it can wrap and unwrap only while it holds a key. */
export interface ShareSeal extends Seal {
  readonly kind: typeof shareSealKind;
  readonly byShares: true;
  holds(sealed: Uint8Array): boolean;
  /** How a sealed root was split, or `undefined` for bytes that are none. Not authenticated before it opens. */
  splitOf(sealed: Uint8Array): Split | undefined;
  /** A new seal key, not in use yet. Throws `keyring.shares` for a split that cannot be. */
  draft(split: Split): ShareKey;
  /** The key that these shares give, if it opens `sealed`: the authentication tag tells a wrong set. */
  recover(sealed: Uint8Array, shares: readonly SecretBytes[]): ShareKey | undefined;
  /** Takes over the key; the one before is wiped. */
  use(key: ShareKey): void;
  /** Wipes the key in use. */
  wipe(): void;
}

export function isShareSeal(seal: Seal | undefined): seal is ShareSeal {
  return seal !== undefined && 'byShares' in seal;
}

export function createShareSeal(entropy: Entropy): ShareSeal {
  let current: ShareKey | undefined;

  function inUse(): ShareKey {
    if (current === undefined) throw keyringClosed();
    return current;
  }

  return {
    kind: shareSealKind,
    byShares: true,
    wrap: async (root) => inUse().wrap(root),
    async unwrap(sealed) {
      const root = inUse().unwrap(sealed);
      if (root === undefined) throw decryptFailed();
      return root;
    },
    holds: (sealed) => current?.isOf(sealed) ?? false,
    splitOf: (sealed) => headOf(sealed)?.split,
    draft(wanted) {
      requireSplit(wanted);
      const bytes = entropy.bytes(keySizeBytes);
      const key = SecretBytes.from(bytes);
      bytes.fill(0);
      return shareKey(entropy, key, { split: wanted, id: entropy.bytes(idSizeBytes) });
    },
    recover(sealed, shares) {
      const head = headOf(sealed);
      if (head === undefined) return undefined;
      const key = shareKey(entropy, combine(shares), head);
      const root = key.unwrap(sealed);
      root?.wipe();
      if (root !== undefined) return key;
      key.wipe();
      return undefined;
    },
    use(key) {
      if (current !== key) current?.wipe();
      current = key;
    },
    wipe() {
      current?.wipe();
      current = undefined;
    },
  };
}

interface Head {
  readonly split: Split;
  readonly id: Uint8Array;
}

function headOf(sealed: Uint8Array): Head | undefined {
  const [version, shares = 0, threshold = 0] = sealed;
  if (version !== format || sealed.length !== headSizeBytes + wrappedKeySizeBytes) return undefined;
  if (shares < 1 || threshold < 1 || threshold > shares) return undefined;
  return { split: { shares, threshold }, id: sealed.slice(3, headSizeBytes) };
}

function shareKey(entropy: Entropy, bytes: SecretBytes, { split: parts, id }: Head): ShareKey {
  const aad = associatedData('seal/shamir', parts.shares, parts.threshold, toHex(id));
  const head = Uint8Array.of(format, parts.shares, parts.threshold, ...id);
  const isOf = (sealed: Uint8Array): boolean =>
    sealed.length === headSizeBytes + wrappedKeySizeBytes && head.every((byte, at) => byte === sealed[at]);
  return {
    split: parts,
    bytes,
    shares: () => split(bytes, parts, (sizeBytes) => entropy.bytes(sizeBytes)),
    wrap(root) {
      const wrapped = wrapKey(bytes.expose(), entropy.bytes(nonceSizeBytes), aad, root.expose());
      return Uint8Array.of(...head, ...wrapped);
    },
    unwrap(sealed) {
      if (!isOf(sealed)) return undefined;
      const opened = unwrapKey(bytes.expose(), aad, sealed.subarray(headSizeBytes));
      if (opened === undefined) return undefined;
      const root = SecretBytes.from(opened);
      opened.fill(0);
      return root;
    },
    isOf,
    wipe: () => bytes.wipe(),
  };
}
