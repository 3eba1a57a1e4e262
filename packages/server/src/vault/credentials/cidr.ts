import { isIP } from 'node:net';
import { invalidSetting } from './login.ts';

const maxCidrs = 256;

/**
 * Whether one of the ranges (`10.0.0.0/8`, `::1/128`, a bare address) holds the address. What cannot be read holds
 * nothing, and is held by nothing. IPv4 inside of IPv6 (`::ffff:10.0.0.1`, how a socket for both families shows a peer)
 * is IPv4; no IPv6 range holds it.
 */
export function cidrsContain(cidrs: readonly string[], address: string): boolean {
  // A zone ("fe80::1%eth0") says which cable, not which address.
  const bytes = addressBytes(address.replace(/%.*$/, ''));
  if (bytes === undefined) return false;
  return cidrs.some((cidr) => {
    const range = parseRange(cidr);
    return range !== undefined && holds(range, bytes);
  });
}

/** Refuses, with `Fault('invalid')`, ranges that could never hold an address: for where they are written. */
export function checkCidrs(cidrs: readonly string[], name: string): void {
  if (cidrs.length > maxCidrs) throw invalidSetting(`expected at most ${maxCidrs} ranges in '${name}'`);
  for (const cidr of cidrs) {
    if (parseRange(cidr) === undefined)
      throw invalidSetting(
        `expected each of '${name}' as a range like 10.0.0.0/8 or 2001:db8::/32, got ${JSON.stringify(cidr.slice(0, 64))}`,
      );
  }
}

interface Range {
  readonly bytes: readonly number[];
  readonly prefix: number;
}

function parseRange(cidr: string): Range | undefined {
  const [address = '', prefixText, more] = cidr.split('/', 3);
  const bytes = addressBytes(address);
  if (bytes === undefined || more !== undefined) return undefined;
  if (prefixText !== undefined && !/^(?:0|[1-9][0-9]{0,2})$/.test(prefixText)) return undefined;
  const width = isIP(address) === 4 ? 32 : 128;
  const given = prefixText === undefined ? width : Number(prefixText);
  if (given > width) return undefined;
  // Of a range of IPv4 inside of IPv6, the first 96 bits are not part of the address.
  const prefix = given - (width - bytes.length * 8);
  return prefix < 0 ? undefined : { bytes, prefix };
}

function holds({ bytes, prefix }: Range, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false;
  return bytes.every((byte, i) => {
    const bits = Math.min(Math.max(prefix - i * 8, 0), 8);
    return ((byte ^ (address[i] ?? 0)) & (0xff00 >> bits) & 0xff) === 0;
  });
}

/** Four bytes or sixteen. `node:net` decides what an address is: no leading zeros, no missing parts, no blanks. */
function addressBytes(text: string): readonly number[] | undefined {
  if (text.includes('%')) return undefined;
  const version = isIP(text);
  if (version === 4) return text.split('.').map(Number);
  if (version !== 6) return undefined;
  const bytes = ipv6Bytes(text);
  const isMapped = bytes.slice(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return isMapped ? bytes.slice(12) : bytes;
}

function ipv6Bytes(address: string): readonly number[] {
  // The URL parser writes an address in one form: hexadecimal groups, the longest run of zeros as "::".
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [before = '', after = ''] = canonical.split('::');
  const head = groupsOf(before);
  const tail = groupsOf(after);
  const zeros = Array<number>(8 - head.length - tail.length).fill(0);
  return [...head, ...zeros, ...tail].flatMap((group) => [group >> 8, group & 0xff]);
}

function groupsOf(part: string): readonly number[] {
  return part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
}
