import type { X509Certificate } from 'node:crypto';
import { setImmediate as nextTick } from 'node:timers/promises';
import { Fault, isFault } from '@sallyport/formats';
import { type Call, type Handler, prepared } from '../../backend.ts';
import type { Presented } from '../../credentials/cert/match.ts';
import type { CertRole } from '../../credentials/cert/role.ts';
import { type Login, refusedLogin } from '../../credentials/login.ts';
import type { Gate } from '../method/gate.ts';
import { newLogin } from '../method/new-login.ts';
import { createRoles, type RoleRecord } from '../method/roles.ts';
import { findConfig } from './config.ts';
import { revokedSerials } from './crls.ts';
import { createPresented } from './presented.ts';
import { loadReader, type Reader } from './reader.ts';
import { roleSettings } from './settings.ts';

export const roles = createRoles<CertRole>({ directory: 'cert/', settings: roleSettings });

interface Found {
  readonly reader: Reader;
  readonly presented: Presented;
  /** Of the role that it opened a moment ago. */
  readonly name: string;
}

/**
 * The role is found before the turn, one at a time: each may cost many signatures, and others wait for the same thread.
 * The turn asks that role only, as it is then.
 *
 * KNOWN LIMIT: a renewal asks for the token and not for the certificate, so a stolen token can be renewed to its
 * `max_ttl` by whoever holds it; bind tokens to addresses, or give them short lives.
 */
export function login(gate: Gate): Handler {
  const presentedWith = createPresented();
  return prepared<Found>({
    async prepare(call) {
      const certificates = presentedWith(certificateOf(call));
      const candidates = candidatesOf(call);
      const revoked = revokedSerials(call.store);
      const now = new Date(call.now);
      return await gate(async () => {
        const reader = await loadReader();
        const presented = reader.readPresented(certificates);
        let refusal: Fault | undefined;
        for (const [name, record] of candidates) {
          try {
            reader.decideCertLogin([roles.parsed(name, record, reader.parseRole)], presented, revoked, now);
            return { reader, presented, name };
          } catch (error) {
            if (!isFault(error)) throw error;
            refusal = candidates.length === 1 ? error : undefined;
          }
          await nextTick();
        }
        throw refusal ?? noRole();
      });
    },
    decide(call, { reader, presented, name }) {
      const record = roles.find(call.store, name);
      if (record === undefined) throw noRole();
      const role = roles.parsed(name, record, reader.parseRole);
      const revoked = revokedSerials(call.store);
      const { login: found } = reader.decideCertLogin([role], presented, revoked, new Date(call.now));
      return { login: newLogin(call, withAliasMetadata(call, found), record.token, name) };
    },
  });
}

function certificateOf({ request }: Call): X509Certificate {
  if (request.certificate !== undefined) return request.certificate;
  throw new Fault('invalid', 'vault.certificate', 'client certificate must be supplied', {
    hint: 'this server asks for one when tls_client_ca_file is configured',
  });
}

function candidatesOf({ fields, store }: Call): ReadonlyArray<readonly [string, RoleRecord]> {
  const asked = fields.text('name').toLowerCase();
  const names = asked === '' ? roles.names(store) : [asked];
  return names.flatMap((name) => {
    const record = roles.find(store, name);
    return record === undefined ? [] : [[name, record] as const];
  });
}

function withAliasMetadata({ store }: Call, login: Login): Login {
  if (findConfig(store)['enable_identity_alias_metadata'] === true) return login;
  return { ...login, alias: { ...login.alias, metadata: {} } };
}

function noRole(): Fault {
  return refusedLogin('certificate', 'invalid certificate or no client certificate supplied');
}
