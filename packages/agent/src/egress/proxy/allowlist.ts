import { isIP } from 'node:net';
import { Fault } from '@sallyport/formats';
import { isPublicAddress, type Resolve } from './addresses.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Allowlist {
  /** The addresses that may be connected to for this target, checked; throws a `denied` Fault otherwise. */
  permit(target: Target): Promise<readonly string[]>;
}

const hostText = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** `host:port` as a CONNECT request or an allowlist writes it; lower case, no default port, no user, no brackets. */
export function parseTarget(text: string): Target | undefined {
  const match = /^([^:/@\s]{1,253}):([0-9]{1,5})$/.exec(text.toLowerCase());
  const host = match?.[1];
  const port = Number(match?.[2]);
  if (host === undefined || !hostText.test(host) || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/**
 * Exact host and port, nothing else. The name is resolved here, every answer is checked, and the caller connects to
 * an address that was checked: a name that points into this host's network (DNS rebinding, the metadata service) is
 * refused unless that very address and port is on the list.
 */
export function createAllowlist(allow: readonly string[], resolve: Resolve): Allowlist {
  const listed = new Set<string>();
  for (const entry of allow) {
    const target = parseTarget(entry);
    if (target === undefined) {
      throw new Fault(
        'invalid',
        'egress.bad_allowlist',
        `expected host:port in the allowlist, got "${entry}"`,
      );
    }
    listed.add(`${target.host}:${target.port}`);
  }
  return {
    async permit({ host, port }) {
      if (!listed.has(`${host}:${port}`)) {
        throw new Fault('denied', 'egress.not_allowed', `${host}:${port} is not on this step's allowlist`, {
          hint: 'add it to `egress` of the step, if the step really needs it',
        });
      }
      const addresses = isIP(host) === 0 ? await resolve(host) : [host];
      if (addresses.length === 0) {
        throw new Fault(
          'unavailable',
          'egress.name_unresolved',
          `expected an address for "${host}", got none`,
        );
      }
      for (const address of addresses) {
        if (isPublicAddress(address) || listed.has(`${address}:${port}`)) continue;
        throw new Fault(
          'denied',
          'egress.private_address',
          `${host} leads to an address that is not public`,
          {
            hint: 'list the address itself with its port, if the step really needs it',
          },
        );
      }
      return addresses;
    },
  };
}
