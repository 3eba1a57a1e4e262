import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../test-support/vault.ts';
import type { Operation } from './policy/capability.ts';
import { anyModel, decideSlowly, type ModelPolicy, textOf } from './policy/reference.fixture.ts';

/** More of them: `FUZZ_RUNS=20000 npx vitest run packages/server/src/vault/fuzz.test.ts`. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 150);

let vault: TestVault;
const environment = 'shop/dev';

beforeAll(async () => {
  vault = await openVault();
  for (const path of ['a', 'b', 'ab']) {
    const mounted = await vault.request('POST', `sys/mounts/${path}`, { body: { type: 'kv', environment } });
    expect(mounted.status).toBe(204);
  }
});
afterAll(() => vault.close());

interface Asked {
  readonly operation: Operation;
  readonly path: string;
  readonly data: Readonly<Record<string, number>>;
  readonly wrap: number | undefined;
}

const segments = fc.array(fc.constantFrom('a', 'b', 'ab', 'c'), { minLength: 1, maxLength: 3 });
const anyAsked: fc.Arbitrary<Asked> = fc.record({
  operation: fc.constantFrom<Operation>('read', 'update', 'delete', 'list'),
  path: fc
    .tuple(fc.constantFrom('a', 'b', 'ab'), segments)
    .map(([mount, rest]) => [mount, ...rest].join('/')),
  data: fc.dictionary(fc.constantFrom('p', 'q', 'r'), fc.nat(3), { minKeys: 1, maxKeys: 2 }),
  wrap: fc.constantFrom(undefined, 5, 15, 25, 40),
});

const methods: Partial<Record<Operation, string>> = {
  read: 'GET',
  update: 'POST',
  delete: 'DELETE',
  list: 'LIST',
};

describe('what is answered', () => {
  it('is what a slow reading of the policies allows, and nothing else', async () => {
    const exists = new Set<string>();
    const check = async (model: ModelPolicy, asked: readonly Asked[]) => {
      const put = await vault.request('PUT', 'sys/policies/acl/fuzz', { body: { policy: textOf(model) } });
      expect(put.status).toBe(204);
      const made = await vault.request('POST', 'auth/token/create', {
        body: { policies: ['fuzz'], no_default_policy: true, environments: [environment] },
      });
      const token: string = made.body.auth.client_token;
      for (const { operation, path, data, wrap } of asked) {
        const creates = operation === 'update' && !exists.has(path);
        const body = operation === 'update' ? data : {};
        const allowed = decideSlowly([model], {
          operation: creates ? 'create' : operation,
          path,
          data: body,
          wrapTtlSeconds: wrap,
          environment,
        });
        const { status } = await vault.request(methods[operation] ?? '', path, {
          token,
          ...(operation === 'update' ? { body: data } : {}),
          headers: wrap === undefined ? {} : { 'x-vault-wrap-ttl': String(wrap) },
        });
        expect({ path, operation, wrap, body, refused: status === 403, broken: status >= 500 }).toEqual({
          path,
          operation,
          wrap,
          body,
          refused: !allowed,
          broken: false,
        });
        if (allowed && operation === 'update') exists.add(path);
        if (allowed && operation === 'delete') exists.delete(path);
      }
    };
    await fc.assert(fc.asyncProperty(anyModel, fc.array(anyAsked, { minLength: 1, maxLength: 6 }), check), {
      numRuns: runs,
    });
  }, 600_000);
});

describe('whatever bytes come', () => {
  const verbs = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE'];
  const pieces = fc.oneof(
    fc.constantFrom(
      'sys',
      'secret',
      'data',
      'metadata',
      'auth',
      'token',
      'create',
      'login',
      'kv1',
      'cubbyhole',
      'identity',
      'mounts',
    ),
    fc.constantFrom(
      '..',
      '.',
      '%2e%2e',
      '%2F',
      '%00',
      '%',
      '%zz',
      '%c0%af',
      '%E2%80%AE',
      '%ED%A0%80',
      '\\',
      '//',
      '+',
      '*',
      '?',
      ';',
      '#',
    ),
    fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.string({ minLength: 600, maxLength: 700 }).map((text) => text.replace(/[^a-z]/g, 'x')),
  );
  const bodies = fc.oneof(
    fc.json({ maxDepth: 6 }),
    fc.json({ maxDepth: 3 }).map((text) => `{"data":${text},"options":{"cas":${text}}}`),
    fc.constantFrom(
      '{',
      '{"a":1,"a":2}',
      '{"__proto__":{"x":1}}',
      '[]',
      'null',
      '"x"',
      '1e999',
      '{"ttl":"-1h"}',
      '{"data":{"a":1}}x',
      '\ufeff{}',
      `${'['.repeat(5000)}`,
      '{"policies":{"a":1}}',
      '{"policy":"path \\"x\\" {"}',
    ),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  const headers = fc.constantFrom(
    '',
    'x-vault-wrap-ttl: 1h',
    'x-vault-wrap-ttl: -1',
    'x-vault-wrap-ttl: 9e9',
    'authorization: Bearer x',
    'x-vault-namespace: a',
    'content-type: application/merge-patch+json',
    'x-http-method-override: LIST',
  );

  it('the answer is a whole one, below 500, and the next request is answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...verbs),
        fc.array(pieces, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(
          '',
          '?list=true',
          '?help=1',
          '?version=x',
          '?version=99999999999',
          '?a=1&a=2',
          '?list=true&version=1',
        ),
        bodies,
        headers,
        async (verb, path, query, body, header) => {
          const target = `/v1/${path.join('/')}${query}`.replace(/[^!-~]/g, '');
          const answer = await raw(vault.address, verb, target, header, body);
          const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
          // 503 only for what a JSON shape cannot bring about: nothing here is sealed or moved.
          expect({ target, verb, body, status, answered: status >= 200 && status < 500 }).toMatchObject({
            answered: true,
          });
        },
      ),
      { numRuns: runs * 4 },
    );
    expect((await vault.request('GET', 'auth/token/lookup-self')).status).toBe(200);
  }, 600_000);
});

/** Sends the bytes as they are: a client library would repair or refuse what is to be tried. */
async function raw(
  address: string,
  verb: string,
  target: string,
  header: string,
  body: string,
): Promise<string> {
  const { hostname, port } = new URL(address);
  const bytes = Buffer.from(body);
  const head = [
    `${verb} ${target} HTTP/1.1`,
    'host: x',
    `x-vault-token: ${vault.rootToken}`,
    'connection: close',
    ...(header === '' ? [] : [header]),
    ...(verb === 'GET' || verb === 'HEAD' ? [] : [`content-length: ${bytes.length}`]),
  ];
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer to ${verb} ${target}`)));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('error', reject);
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    if (verb !== 'GET' && verb !== 'HEAD') socket.write(bytes);
  });
}
