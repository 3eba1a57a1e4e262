import { BlockList, isIP } from 'node:net';

/** Whether one of the ranges (`10.0.0.0/8`, `::1/128`, a bare address) holds the address. What cannot be read holds nothing. */
export function cidrsContain(cidrs: readonly string[], address: string): boolean {
  const plain = address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
  const family = isIP(plain);
  if (family === 0) return false;
  return cidrs.some((cidr) => rangeOf(cidr)?.check(plain, family === 6 ? 'ipv6' : 'ipv4') ?? false);
}

function rangeOf(cidr: string): BlockList | undefined {
  const [base = '', bits] = cidr.split('/');
  const family = isIP(base);
  if (family === 0) return undefined;
  const most = family === 6 ? 128 : 32;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (!(length >= 0 && length <= most)) return undefined;
  const list = new BlockList();
  list.addSubnet(base, length, family === 6 ? 'ipv6' : 'ipv4');
  return list;
}
