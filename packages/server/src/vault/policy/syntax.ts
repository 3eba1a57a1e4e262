import { Fault } from '@sallyport/formats';

/**
 * What both spellings of a policy, HCL and JSON, are read into. `at` is the offset in the text, or `nowhere` for JSON,
 * whose reader tells no offsets.
 */
export type PolicyNode = Scalar | ListNode | ObjectNode;

export type Scalar =
  | { readonly kind: 'string'; readonly at: number; readonly value: string }
  | { readonly kind: 'number'; readonly at: number; readonly value: number }
  | { readonly kind: 'boolean'; readonly at: number; readonly value: boolean };

export interface ListNode {
  readonly kind: 'list';
  readonly at: number;
  readonly items: readonly PolicyNode[];
}

export interface ObjectNode {
  readonly kind: 'object';
  readonly at: number;
  readonly fields: readonly Field[];
}

/** `key = value`, or a block with its labels: `path "secret/*" { ... }` has the keys `path` and `secret/*`. */
export interface Field {
  readonly at: number;
  readonly keys: readonly string[];
  readonly value: PolicyNode;
}

export const nowhere = -1;

/** Bounds of one policy. What is larger is no policy somebody wrote, and would cost every request of its holders. */
export const limits = {
  textBytes: 512 * 1024,
  depth: 16,
  tokens: 65_536,
  stringLength: 16_384,
  rules: 1_000,
  pathLength: 2_048,
  pathSegments: 128,
  parameters: 256,
  values: 256,
  environments: 64,
} as const;

/** An `invalid` fault that names the line and column, when `at` is known; both count from 1, columns in UTF-16 units. */
export function syntaxFault(text: string, at: number, message: string): Fault {
  if (at === nowhere) return new Fault('invalid', 'vault.policy', `policy: ${message}`);
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  return new Fault('invalid', 'vault.policy', `policy line ${line}, column ${column}: ${message}`, {
    details: { line, column },
  });
}

/**
 * `text` in quotes for a message: cut, and everything but printable ASCII as an escape, so that a Cyrillic letter in
 * `pаth` is seen and nothing in a policy can steer a terminal.
 */
export function quoted(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  let safe = '';
  for (const letter of cut) {
    const code = letter.codePointAt(0) ?? 0;
    if (letter === '"' || letter === '\\') safe += `\\${letter}`;
    else if ((code >= 0x20 && code < 0x7f) || letter === '…') safe += letter;
    else safe += `\\u{${code.toString(16)}}`;
  }
  return `"${safe}"`;
}

/**
 * The offset of the first character that no policy needs and that hides something from its reader: control characters,
 * a byte order mark, and the bidirectional controls that show text in another order than it is read (CVE-2021-42574).
 */
export function hiddenCharacter(text: string, allowed: 'layout' | 'nothing'): number | undefined {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= 0x20 && code < 0x7f) continue;
    if (allowed === 'layout' && (code === 0x09 || code === 0x0a || code === 0x0d)) continue;
    if (
      code < 0x20 ||
      (code >= 0x7f && code < 0xa0) ||
      code === 0xfeff ||
      (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2066 && code <= 0x2069)
    ) {
      return at;
    }
  }
  return undefined;
}
