import { Fault, SecretBytes, toHex } from '@sallyport/formats';
import type { Entropy } from '../entropy.ts';
import { numberOf } from './shamir.ts';
import { shareSizeBytes } from './share-text.ts';

/** Shares that people bring one after the other, for one purpose. In memory only. */
export interface Collector {
  /** Names this collection (a UUID); a new one after each `reset`. Those who bring shares see that it is one ceremony. */
  readonly nonce: string;
  readonly progress: number;
  /**
   * Keeps a copy; the caller wipes its own. The same share again changes nothing. Throws `keyring.share` for another share of a number that is already there, and `keyring.nonce` for another collection.
   */
  add(share: SecretBytes, nonce?: string): void;
  /** All of them, for the caller to wipe; the collection is empty and new afterwards. */
  take(): readonly SecretBytes[];
  /** Wipes what was collected. */
  reset(): void;
}

export function createCollector(entropy: Entropy): Collector {
  /** Made when it is first asked for: forgetting must work also when the generator does not. */
  let nonce: string | undefined;
  let shares: SecretBytes[] = [];

  function nonceNow(): string {
    nonce ??= newNonce(entropy);
    return nonce;
  }

  function take(): readonly SecretBytes[] {
    const taken = shares;
    shares = [];
    nonce = undefined;
    return taken;
  }

  return {
    get nonce() {
      return nonceNow();
    },
    get progress() {
      return shares.length;
    },
    add(share, named) {
      if (named !== undefined && named !== nonceNow()) throw otherCeremony();
      const known = shares.find((each) => numberOf(each) === numberOf(share));
      if (known !== undefined && known.sizeBytes === share.sizeBytes && known.equals(share)) return;
      if (known !== undefined || share.sizeBytes !== shareSizeBytes || numberOf(share) === 0) {
        throw badShare(known !== undefined);
      }
      shares.push(SecretBytes.from(share.expose()));
    },
    take,
    reset() {
      for (const share of take()) share.wipe();
    },
  };
}

/** A random UUID (version 4, RFC 9562 section 5.4), as Vault's clients expect nonces to look. */
function newNonce(entropy: Entropy): string {
  const bytes = entropy.bytes(16);
  bytes[6] = 0x40 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function otherCeremony(): Fault {
  return new Fault(
    'invalid',
    'keyring.nonce',
    'expected the nonce of the collection in progress, got another',
    {
      hint: 'ask for the status; the collection was reset or belongs to somebody else',
    },
  );
}

function badShare(numberTaken: boolean): Fault {
  return new Fault(
    'invalid',
    'keyring.share',
    numberTaken
      ? 'expected a share with a number that was not given yet, got another share of the same number'
      : `expected a share of ${shareSizeBytes} bytes that ends in its number, got something else`,
    { hint: 'reset the collection if an earlier share was wrong' },
  );
}
