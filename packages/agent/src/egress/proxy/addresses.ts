import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Fault } from '@sallyport/formats';

/**
 * Addresses that are not the public internet: loopback, private, link-local (with the cloud metadata address),
 * shared, documentation, multicast, reserved (IANA special-purpose registries, RFC 6890), and IPv6 forms that carry
 * an IPv4 address inside.
 */
const special = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  special.addSubnet(net, bits, 'ipv4');
}
/** Only global unicast (2000::/3) is public; within it, tunnels and documentation are not. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  special.addSubnet(net, bits, 'ipv6');
}

/** Whether an address may be reached without being named in the allowlist. Anything that is no address is not. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, 'ipv4');
  if (family === 6) return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
  return false;
}

export type Resolve = (host: string) => Promise<readonly string[]>;

/** All addresses the host's resolver gives for a name. */
export const resolveName: Resolve = (host) =>
  new Promise((done, fail) => {
    resolve(host, { all: true, order: 'verbatim' }, (cause, found) => {
      if (cause === null) done(found.map((entry) => entry.address));
      else
        fail(
          new Fault('unavailable', 'egress.name_unresolved', `expected an address for "${host}", got none`, {
            cause,
          }),
        );
    });
  });

/**
 * A lookup for Node's sockets that fails when *any* answer is not public: the socket connects to exactly the address
 * that was checked, so a name that changes between check and use (DNS rebinding) gains nothing.
 */
export const publicLookup: LookupFunction = (host, options, done) => {
  resolve(host, { ...options, all: true }, (cause, found) => {
    if (cause !== null) return done(cause, []);
    const hidden = found.find((entry) => !isPublicAddress(entry.address));
    if (hidden !== undefined || found[0] === undefined) {
      return done(
        new Fault('denied', 'egress.private_address', `expected a public address for "${host}"`),
        [],
      );
    }
    return options.all === true ? done(null, found) : done(null, found[0].address, found[0].family);
  });
};
