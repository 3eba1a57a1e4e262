import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCidrs, cidrsContain } from './cidr.ts';

describe('bound address ranges', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255'],
    ['10.1.2.3/8', '10.255.255.255'],
    ['10.0.0.0/8', '::ffff:10.1.2.3'],
    ['10.0.0.0/8', '::ffff:0a01:0203'],
    ['10.0.0.0/8', '0:0:0:0:0:FFFF:10.1.2.3'],
    ['::ffff:10.0.0.0/104', '10.1.2.3'],
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7/32', '192.0.2.7'],
    ['0.0.0.0/0', '255.255.255.255'],
    ['2001:db8::/32', '2001:db8:ffff::1'],
    ['2001:DB8::/32', '2001:0db8:0:0::1'],
    ['fe80::/10', 'fe80::1%eth0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['::/0', '2001:db8::1'],
  ])('%s holds %s', (range, address) => {
    expect(cidrsContain(['192.0.2.200', range], address)).toBe(true);
    expect(() => checkCidrs([range], 'cidrs')).not.toThrow();
  });

  it.each([
    ['10.0.0.0/8', '11.0.0.0'],
    ['10.0.0.0/8', '::10.0.0.1'],
    ['10.0.0.0/8', '010.0.0.1'],
    ['10.0.0.0/8', '10.0.0.1 '],
    ['10.0.0.0/8', '10.0.0'],
    ['10.0.0.0/8', ''],
    ['10.0.0.0/8', 'localhost'],
    ['10.0.0.0/8', '10.0.0.1, 11.0.0.1'],
    ['0.0.0.0/0', '::1'],
    ['::/0', '10.0.0.1'],
    ['::/0', '::ffff:10.0.0.1'],
    ['2001:db8::/32', '2001:db9::1'],
  ])('%s does not hold %s', (range, address) => {
    expect(cidrsContain([range], address)).toBe(false);
  });

  it.each([
    '',
    'a',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '10.0.0.0/ 8',
    '10/8',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '2001:db8::/129',
    '::ffff:10.0.0.0/95',
    'fe80::1%eth0',
    '::1]/128',
  ])('%j is refused where it is written, and holds nothing where it stands', (range) => {
    expect(() => checkCidrs([range], 'cidrs')).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'vault.setting' }),
    );
    for (const address of ['10.0.0.1', '::1', 'fe80::1', ''])
      expect(cidrsContain([range], address)).toBe(false);
  });

  it('are few', () => {
    expect(() => checkCidrs(Array(257).fill('10.0.0.0/8'), 'cidrs')).toThrow(/at most 256/);
  });

  it('agree with the list of Node', () => {
    const ipv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
    // Not 0 in front: Node's list lets IPv6 ranges hold IPv4 inside of IPv6.
    const ipv6 = fc
      .tuple(fc.integer({ min: 1, max: 0xffff }), fc.array(fc.nat(0xffff), { minLength: 7, maxLength: 7 }))
      .map(([first, rest]) => [first, ...rest]);
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), fc.nat(128), fc.nat(127), (parts, anyPrefix, anyBit) => {
        const [width, size, family] =
          parts.length === 4 ? ([32, 8, 'ipv4'] as const) : ([128, 16, 'ipv6'] as const);
        const text = (numbers: readonly number[]) =>
          family === 'ipv4' ? numbers.join('.') : numbers.map((number) => number.toString(16)).join(':');
        const prefix = anyPrefix % (width + 1);
        const bit = anyBit % width;
        const flipped = parts.map((part, i) =>
          i === Math.floor(bit / size) ? part ^ (1 << (size - 1 - (bit % size))) : part,
        );
        fc.pre(flipped[0] !== 0);
        const list = new BlockList();
        list.addSubnet(text(parts), prefix, family);

        expect(cidrsContain([`${text(parts)}/${prefix}`], text(flipped))).toBe(
          list.check(text(flipped), family),
        );
        expect(cidrsContain([`${text(parts)}/${prefix}`], text(flipped))).toBe(bit >= prefix);
      }),
      { numRuns: 1000 },
    );
  });
});
