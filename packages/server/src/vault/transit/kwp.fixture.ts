import { createCipheriv } from 'node:crypto';

/** AES key wrap with padding, RFC 5649 section 4.1, made of single AES blocks. */
export function wrapPadded(kek: Buffer, key: Buffer): Buffer {
  const head = Buffer.from('a65959a600000000', 'hex');
  head.writeUInt32BE(key.length, 4);
  const padded = Buffer.concat([key, Buffer.alloc((8 - (key.length % 8)) % 8)]);
  if (padded.length === 8) return block(kek, Buffer.concat([head, padded]));
  const count = padded.length / 8;
  let a: Buffer = head;
  const r: Buffer[] = Array.from({ length: count }, (_, index) => padded.subarray(8 * index, 8 * index + 8));
  for (let j = 0; j < 6; j += 1) {
    for (const [index, part] of r.entries()) {
      const b = block(kek, Buffer.concat([a, part]));
      a = b.subarray(0, 8);
      a.writeUInt32BE((a.readUInt32BE(4) ^ (count * j + index + 1)) >>> 0, 4);
      r[index] = b.subarray(8);
    }
  }
  return Buffer.concat([a, ...r]);
}

function block(kek: Buffer, input: Buffer): Buffer {
  const cipher = createCipheriv(`aes-${kek.length * 8}-ecb`, kek, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(input), cipher.final()]);
}
