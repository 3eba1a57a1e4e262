/** Identifier bytes of the universal types (X.680 section 8.4), sequences and sets with their constructed bit. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier byte of context tag `number`, 0 to 30; constructed when it wraps other elements. */
export function contextTag(number: number, constructed: boolean): number {
  return 0x80 | (constructed ? 0x20 : 0) | number;
}

/** How a message calls a tag: its name, or its number in hexadecimal. */
export function tagName(tag: number): string {
  const known = Object.entries(tags).find(([, value]) => value === tag || (value & 0x1f) === tag);
  return known?.[0] ?? `tag 0x${tag.toString(16).padStart(2, '0')}`;
}

/** The order of the elements of a set (X.690 section 11.6): by their bytes, a prefix first. */
export function compareEncodings(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
