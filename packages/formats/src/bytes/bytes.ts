import { Fault } from '../fault.ts';

const encoder = new TextEncoder();
// ignoreBOM: a leading U+FEFF is content; dropping it would let two byte strings read as one text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 of `text`. A lone surrogate has no UTF-8 and is refused, where TextEncoder would write U+FFFD. */
export function utf8(text: string): Uint8Array {
  if (!text.isWellFormed()) {
    throw new Fault('invalid', 'formats.utf8', 'expected well-formed text, got a lone surrogate');
  }
  return encoder.encode(text);
}

/** The text that `bytes` are the UTF-8 of; anything but valid UTF-8 is refused. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new Fault(
      'invalid',
      'formats.utf8',
      `expected valid UTF-8, got ${bytes.length} bytes that are not`,
      {
        cause,
      },
    );
  }
}

/** All `parts`, one after the other, in a new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Equality of public bytes. Not constant time: compare secrets with `SecretBytes.equals`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
