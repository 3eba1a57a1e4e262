import { isFault, SecretBytes } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { maxLineBytes } from './entry.ts';
import { caller, exchange, format, hmacOf, mount } from './exchange.fixture.ts';

const token = hmacOf('hvs.the-token');
const accessor = hmacOf('accessor-1');

const auth = {
  client_token: token,
  accessor,
  display_name: 'approle-orders',
  policies: ['default', 'orders'],
  token_policies: ['default', 'orders'],
  metadata: { role_name: 'orders' },
  entity_id: 'entity-1',
  token_type: 'service',
  token_ttl: 3600,
  token_issue_time: '2026-11-20T09:00:00Z',
  policy_results: {
    allowed: true,
    granting_policies: [{ name: 'orders', namespace_id: 'root', type: 'acl' }],
  },
};
const request = {
  id: 'request-1',
  client_id: 'entity-1',
  operation: 'read',
  client_token: token,
  client_token_accessor: accessor,
  namespace: { id: 'root' },
  path: 'secret/data/orders/db',
  mount_point: 'secret/',
  mount_type: 'kv',
  mount_accessor: 'kv_1f2e3d4c',
  mount_class: 'secret',
  remote_address: '127.0.0.1',
  remote_port: 43210,
};

function parsed(line: Buffer): Record<string, unknown> {
  expect(line.at(-1)).toBe(0x0a);
  expect(line.indexOf(0x0a)).toBe(line.length - 1);
  expect(line.every((byte) => byte < 0x7f)).toBe(true);
  return JSON.parse(line.toString('latin1'));
}

// The shape is the one documented for Vault's audit devices; the values are ours.
describe('an audit line', () => {
  it('tells a read with the value hashed, in the shape that readers of Vault logs know', () => {
    const lines = format().lines(
      exchange({ response: { data: { data: { password: 'hunter2hunter2' }, metadata: { version: 12 } } } }),
    );

    expect(parsed(lines.request)).toEqual({
      time: '2026-11-20T10:00:00.001Z',
      type: 'request',
      auth,
      request,
    });
    expect(parsed(lines.response)).toEqual({
      time: '2026-11-20T10:00:00.003Z',
      type: 'response',
      auth,
      request,
      response: {
        mount_point: 'secret/',
        mount_type: 'kv',
        mount_accessor: 'kv_1f2e3d4c',
        mount_class: 'secret',
        data: { data: { password: hmacOf('hunter2hunter2') }, metadata: { version: hmacOf('12') } },
      },
    });
  });

  it('tells a login with the new token hashed, and the caller of the request as nobody', () => {
    const { response } = format().lines(
      exchange({
        clientToken: undefined,
        caller: undefined,
        policyResults: undefined,
        request: {
          id: 'request-2',
          operation: 'update',
          mount: { ...mount, point: 'auth/approle/', class: 'auth' },
          path: 'auth/approle/login',
          data: { role_id: 'role-id-of-orders', secret_id: SecretBytes.fromUtf8('secret-id-of-orders') },
          headers: {},
          remoteAddress: '::1',
          remotePort: 1,
          wrapTtlSeconds: 60,
        },
        response: {
          auth: { token: 'hvs.new', caller: { ...caller, accessor: 'accessor-2' }, numUses: 3 },
          warnings: ['ttl was capped'],
          redirect: 'https://login.example/?code=one-time-code',
          leaseId: 'auth/approle/login/abc',
          wrapInfo: {
            token: 'hvs.wrapping',
            accessor: 'accessor-3',
            ttlSeconds: 60,
            creationTime: 0,
            creationPath: 'auth/approle/login',
            wrappedAccessor: 'accessor-2',
          },
        },
      }),
    );

    const line = parsed(response);
    expect(line['auth']).toEqual({ token_type: 'default' });
    expect(line['request']).toMatchObject({
      data: { role_id: hmacOf('role-id-of-orders'), secret_id: hmacOf('secret-id-of-orders') },
      wrap_ttl: 60,
    });
    expect(line['response']).toEqual({
      auth: {
        ...auth,
        client_token: hmacOf('hvs.new'),
        accessor: hmacOf('accessor-2'),
        num_uses: 3,
        policy_results: undefined,
      },
      secret: { lease_id: 'auth/approle/login/abc' },
      mount_point: 'auth/approle/',
      mount_type: 'kv',
      mount_accessor: 'kv_1f2e3d4c',
      mount_class: 'auth',
      warnings: ['ttl was capped'],
      redirect: hmacOf('https://login.example/?code=one-time-code'),
      wrap_info: {
        ttl: 60,
        token: hmacOf('hvs.wrapping'),
        accessor: hmacOf('accessor-3'),
        creation_time: '1970-01-01T00:00:00.000Z',
        creation_path: 'auth/approle/login',
        wrapped_accessor: hmacOf('accessor-2'),
      },
    });
  });

  it('tells a refusal with its error, the hash of an unknown token and no answer', () => {
    const lines = format().lines(
      exchange({
        clientToken: 'hvs.unknown',
        caller: undefined,
        policyResults: { allowed: false, granting: [] },
        request: { ...exchange().request, mount: undefined },
        response: undefined,
        error: '1 error occurred:\n\t* permission denied\n\n',
      }),
    );

    expect(parsed(lines.response)).toMatchObject({
      auth: { token_type: 'default', policy_results: { allowed: false } },
      request: { client_token: hmacOf('hvs.unknown') },
      response: {},
      error: '1 error occurred:\n\t* permission denied\n\n',
    });
  });

  it('shows accessors in clear where the device says so, and remembers a caller without its token', () => {
    const entries = format({ hmacAccessor: false });
    const first = entries.lines(exchange()).request.toString();
    const second = entries.lines(exchange({ clientToken: undefined })).request.toString();

    expect(second).toBe(first);
    expect(first).toContain('"accessor":"accessor-1"');
    expect(first).not.toContain('hvs.the-token');
  });

  it('shows the headers on the allowlist only, hashed where asked', () => {
    const allowed = new Map([
      ['x-forwarded-for', { hmac: true }],
      ['user-agent', { hmac: false }],
      ['__proto__', { hmac: false }],
    ]);
    const headers = {
      'x-forwarded-for': ['10.0.0.1', '10.0.0.2'],
      'user-agent': 'vault "1.2" \u2028',
      'x-vault-token': 'hvs.the-token',
    };

    const { request: line } = format({ headers: () => allowed }).lines(
      exchange({ request: { ...exchange().request, headers } }),
    );

    expect(parsed(line)['request']).toMatchObject({
      headers: {
        'x-forwarded-for': [hmacOf('10.0.0.1'), hmacOf('10.0.0.2')],
        'user-agent': ['vault "1.2" \u2028'],
      },
    });
    expect(line.toString()).not.toContain('hvs.the-token');
  });

  it('counts the names of a list where the device says so', () => {
    const entries = format({ elideListResponses: true });
    const list = { ...exchange().request, operation: 'list' };
    const dataOf = (data: unknown, operation = list) => {
      const line = parsed(entries.lines(exchange({ request: operation, response: { data } })).response);
      return (line['response'] as { data: unknown }).data;
    };

    expect(dataOf({ keys: ['a', 'b'] })).toEqual({ keys: 2 });
    expect(dataOf({ keys: ['a'], key_info: { a: {} }, other: 'x' })).toEqual({
      keys: 1,
      key_info: 1,
      other: hmacOf('x'),
    });
    expect(dataOf({ keys: 'a' })).toEqual({ keys: hmacOf('a') });
    expect(dataOf({ keys: ['a'] }, exchange().request)).toEqual({ keys: [hmacOf('a')] });
  });

  it('stays below its bound: long texts keep their hash, too much data is elided, too much else is refused', () => {
    const path = 'p'.repeat(100_000);
    const many = Object.fromEntries(
      Array.from({ length: 4000 }, (_, i) => [`name-${i}-`.repeat(12), 'value-1']),
    );
    const lines = format().lines(
      exchange({ request: { ...exchange().request, path, data: many }, response: { data: { many } } }),
    );

    const { data, data_elided } = parsed(lines.response)['request'] as Record<string, unknown>;
    expect([data, data_elided]).toEqual([{ elided: hmacOf(JSON.stringify(many)) }, true]);
    expect((parsed(lines.request)['request'] as { path: string }).path).toBe(
      `${'p'.repeat(4096)}...${hmacOf(path)}`,
    );
    const policies = Array.from({ length: 300 }, () => 'q'.repeat(9000));
    expect(() => format().lines(exchange({ caller: { ...caller, policies } }))).toThrow(
      expect.toSatisfy((error) => isFault(error) && error.code === 'vault.audit_line'),
    );
    expect(lines.response.length).toBeLessThan(maxLineBytes);
  });
});
