import { equalConstantTime } from '../crypto/constant-time.ts';
import { Fault } from '../fault.ts';
import { fromUtf8, utf8 } from './bytes.ts';

const shown = '[secret]';

/**
 * Plaintext of a secret (invariant 6). It prints as `[secret]` wherever a value may be printed by accident: string
 * conversion, JSON, `util.inspect`, `console.log`; and is lost, not copied, by `structuredClone`. Reading it takes
 * an `expose…` call, which a reviewer can search for.
 */
export class SecretBytes {
  readonly #bytes: Uint8Array;
  #wiped = false;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Copies `bytes`; the caller still owns, and should overwrite, what it passed. */
  static from(bytes: Uint8Array): SecretBytes {
    return new SecretBytes(Uint8Array.from(bytes));
  }

  static fromUtf8(text: string): SecretBytes {
    return new SecretBytes(utf8(text));
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy: they become zero when this secret is wiped. */
  expose(): Uint8Array {
    if (this.#wiped)
      throw new Fault('internal', 'formats.secret_wiped', 'the secret was wiped and then used');
    return this.#bytes;
  }

  exposeUtf8(): string {
    return fromUtf8(this.expose());
  }

  /** Overwrites the bytes. Copies the runtime made (strings, grown buffers) are out of reach. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  /** Constant-time comparison. */
  equals(other: SecretBytes): boolean {
    return equalConstantTime(this.expose(), other.expose());
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown;
  }
}
