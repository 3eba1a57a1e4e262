import type { Caller, Exchange, Mount } from './exchange.ts';
import { boundedText } from './json-text.ts';
import { createMembers, flat, objectOf } from './members.ts';
import type { AuditSalt } from './salt.ts';

/** `"data":…` and what belongs to it, without a comma behind it, or `''`. */
export type DataPart = string;

/** What a line says of the token of a request, and of whose it is. */
export interface TokenPart {
  /** Members of `auth`, without a comma behind the last. */
  readonly auth: string;
  /** Members of `request`. */
  readonly request: string;
}

export interface Parts {
  token(exchange: Exchange): TokenPart;
  auth(exchange: Exchange, token: TokenPart): string;
  request(exchange: Exchange, token: TokenPart, data: DataPart): string;
  response(exchange: Exchange, data: DataPart): string;
  /** With its comma in front. */
  error(text: string | undefined): string;
}

export interface PartsOptions {
  readonly salt: AuditSalt;
  readonly hmacAccessor: boolean;
  readonly headers: () => ReadonlyMap<string, { readonly hmac: boolean }>;
}

/**
 * The parts of a line around its data. What is told about a caller and about a mount is made once per object and
 * remembered weakly: hashes and names, never a token.
 */
export function createParts({ salt, hmacAccessor, headers }: PartsOptions): Parts {
  const members = createMembers(salt.hash);
  const callers = new WeakMap<Caller, TokenPart>();
  const mounts = new WeakMap<Mount, string>();

  const accessorOf = (accessor: string): string =>
    accessor === '' || !hmacAccessor ? accessor : salt.hash(accessor);

  function facts(token: string, caller: Caller, numUses: number): TokenPart {
    const accessor = accessorOf(caller.accessor);
    members.text('client_token', token);
    members.text('accessor', accessor);
    members.text('display_name', caller.displayName);
    members.texts('policies', caller.policies);
    members.texts('token_policies', caller.tokenPolicies);
    members.texts('identity_policies', caller.identityPolicies);
    members.flag('no_default_policy', caller.noDefaultPolicy);
    members.map('metadata', caller.metadata);
    members.number('num_uses', numUses);
    members.text('entity_id', caller.entityId);
    members.text('token_type', caller.tokenType);
    members.number('token_ttl', caller.ttlSeconds);
    members.text('token_issue_time', seconds(caller.issueTime));
    const auth = flat(members.take().slice(0, -1));
    return { auth, request: requestPart(token, accessor) };
  }

  function requestPart(token: string, accessor: string): string {
    members.text('client_token', token);
    members.text('client_token_accessor', accessor);
    members.json('namespace', '{"id":"root"}');
    return flat(members.take());
  }

  function mountPart(mount: Mount | undefined): string {
    if (mount === undefined) return '';
    const known = mounts.get(mount);
    if (known !== undefined) return known;
    members.text('mount_point', mount.point);
    members.text('mount_type', mount.type);
    members.text('mount_accessor', mount.accessor);
    members.text('mount_class', mount.class);
    const text = flat(members.take());
    mounts.set(mount, text);
    return text;
  }

  function headersOf(exchange: Exchange): string {
    const allowed = headers();
    if (allowed.size === 0) return '';
    let out = '';
    for (const [name, { hmac }] of allowed) {
      const value = Object.hasOwn(exchange.request.headers, name)
        ? exchange.request.headers[name]
        : undefined;
      if (value === undefined) continue;
      const values = typeof value === 'string' ? [value] : value;
      members.texts(
        'v',
        values.map((text) => (hmac ? salt.hash(text) : text)),
      );
      const list = members.take();
      if (list !== '') out += `${boundedText(name, salt.hash)}${list.slice('"v"'.length)}`;
    }
    return out === '' ? '' : objectOf(out);
  }

  return {
    token({ clientToken, caller }) {
      if (caller === undefined) {
        const token = clientToken === undefined || clientToken === '' ? '' : salt.hash(clientToken);
        return { auth: '"token_type":"default"', request: requestPart(token, '') };
      }
      const known = callers.get(caller);
      if (known !== undefined) return known;
      const part = facts(clientToken === undefined ? '' : salt.hash(clientToken), caller, 0);
      if (clientToken !== undefined) callers.set(caller, part);
      return part;
    },
    auth({ policyResults, remainingUses }, { auth }) {
      if (policyResults !== undefined) {
        const granting = policyResults.granting
          .map(
            ({ name, type }) =>
              `{"name":${boundedText(name, salt.hash)},"namespace_id":"root","type":${boundedText(type, salt.hash)}}`,
          )
          .join(',');
        const granted = granting === '' ? '' : `,"granting_policies":[${granting}]`;
        members.json('policy_results', `{"allowed":${policyResults.allowed}${granted}}`);
      }
      members.number('remaining_uses', remainingUses);
      return objectOf(members.take(), auth);
    },
    request(exchange, token, data) {
      const { request } = exchange;
      // Before the members of the request are begun: both are written by the same hand.
      const mount = mountPart(request.mount);
      const shownHeaders = headersOf(exchange);
      members.text('id', request.id);
      members.text('client_id', request.clientId);
      members.text('operation', request.operation);
      members.text('path', request.path);
      members.flag('policy_override', request.policyOverride);
      members.text('remote_address', request.remoteAddress);
      members.number('remote_port', request.remotePort);
      members.number('wrap_ttl', request.wrapTtlSeconds);
      members.json('headers', shownHeaders);
      members.text('client_certificate_serial_number', request.clientCertificateSerial);
      return objectOf(token.request + mount + members.take(), data);
    },
    response({ request, response }, data) {
      const mount = mountPart(request.mount);
      if (response === undefined) return mount === '' ? '{}' : objectOf(mount);
      const { auth, leaseId, wrapInfo, warnings, redirect } = response;
      if (auth !== undefined) {
        const given = facts(salt.hash(auth.token), auth.caller, auth.numUses);
        members.json('auth', objectOf('', given.auth));
      }
      if (leaseId !== undefined && leaseId !== '') {
        members.json('secret', `{"lease_id":${boundedText(leaseId, salt.hash)}}`);
      }
      members.texts('warnings', warnings);
      // An OIDC redirect carries a one-time code or a state: whoever reads the log first could use it.
      members.text('redirect', redirect === undefined ? undefined : salt.hash(redirect));
      const head = members.take();
      if (wrapInfo !== undefined) {
        members.number('ttl', wrapInfo.ttlSeconds);
        members.text('token', salt.hash(wrapInfo.token));
        members.text('accessor', accessorOf(wrapInfo.accessor));
        members.text('creation_time', new Date(wrapInfo.creationTime).toISOString());
        members.text('creation_path', wrapInfo.creationPath);
        members.text('wrapped_accessor', accessorOf(wrapInfo.wrappedAccessor ?? ''));
        const wrapped = objectOf(members.take());
        members.json('wrap_info', wrapped);
      }
      const all = mount + head + members.take();
      return all + data === '' ? '{}' : objectOf(all, data);
    },
    error(text) {
      return text === undefined || text === '' ? '' : `,"error":${boundedText(text, salt.hash)}`;
    },
  };
}

/** RFC 3339 without a fraction, as Vault writes the time a token was issued. */
function seconds(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
