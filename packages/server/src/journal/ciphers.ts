import { hash } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import { type RecordCipher, ScopeNotOpen } from './turn.ts';

/** The ciphers of the scopes that are open. */
export interface Ciphers {
  /** Whether the scope can be used: it is open, and no record asked for a key that another process made since. */
  isReady(scope: string): boolean;
  isStale(scope: string): boolean;
  /** Takes the cipher, whose keys are as the database has them now. */
  set(scope: string, cipher: RecordCipher): void;
  /** Throws `ScopeNotOpen`. */
  get(scope: string): RecordCipher;
  /** The record in the clear. Throws `ScopeNotOpen`, or `journal.record_damaged`. */
  open(scope: string, cipher: RecordCipher, path: string, sealed: Uint8Array): Buffer;
}

/** More damaged records than this are asked for again, one refresh for each. */
const maxWaited = 1000;

export function createCiphers(onDamaged: (scope: string, path: string) => void): Ciphers {
  const ciphers = new Map<string, { readonly cipher: RecordCipher; readonly generation: number }>();
  const stale = new Set<string>();
  /** Records under a key that was not known, with the generation of the keys at that time. */
  const waited = new Map<string, number>();
  let generations = 0;

  /** Another replica may have rotated the key: worth one refresh. After it, a record that names such a key lies. */
  function mayOpenLater(scope: string, cipher: RecordCipher, path: string, sealed: Uint8Array): boolean {
    if (cipher.keyVersionOf(sealed) <= cipher.newestVersion) return false;
    const generation = ciphers.get(scope)?.generation ?? 0;
    const record = `${scope}\0${path}\0${hash('sha256', sealed)}`;
    const asked = waited.get(record);
    if (asked !== undefined && asked < generation) return false;
    if (waited.size >= maxWaited) waited.clear();
    waited.set(record, generation);
    stale.add(scope);
    return true;
  }

  return {
    isReady: (scope) => ciphers.has(scope) && !stale.has(scope),
    isStale: (scope) => stale.has(scope),
    set(scope, cipher) {
      generations += 1;
      ciphers.set(scope, { cipher, generation: generations });
      stale.delete(scope);
    },
    get(scope) {
      const found = ciphers.get(scope);
      if (found === undefined) throw new ScopeNotOpen(scope);
      return found.cipher;
    },
    open(scope, cipher, path, sealed) {
      const bytes = cipher.open(path, sealed);
      if (bytes !== undefined) return bytes;
      if (mayOpenLater(scope, cipher, path, sealed)) throw new ScopeNotOpen(scope);
      onDamaged(scope, path);
      throw new Fault(
        'integrity',
        'journal.record_damaged',
        `the record "${path}" of ${scope} is not what was written there`,
        {
          hint: 'the database was changed from outside; restore this record from a backup',
          details: { scope, path },
        },
      );
    },
  };
}
