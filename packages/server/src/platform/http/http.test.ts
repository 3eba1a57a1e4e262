import { Fault } from '@sallyport/formats';
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { person } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import type { Routes } from './types.ts';

const seen: string[] = [];
const routes: Routes = (http) => {
  http.route({
    method: 'POST',
    path: '/api/things/:thing',
    summary: 'Makes a thing',
    access: { kind: 'allowed', capability: 'create', path: ({ thing }) => `things/${thing}` },
    query: Type.Object({ times: Type.Optional(Type.Integer({ maximum: 9 })) }),
    body: Type.Object({ name: Type.String({ maxLength: 10 }) }, { additionalProperties: false }),
    response: Type.Object(
      { thing: Type.String(), by: Type.String(), times: Type.Integer() },
      { additionalProperties: false },
    ),
    status: 201,
    bodyLimitBytes: 1000,
    handle: async ({ params, body, actor, query }) => ({
      thing: `${params.thing}/${body.name}`,
      by: actor.id,
      times: query.times ?? 1,
    }),
  });
  http.route({
    method: 'GET',
    path: '/api/leak',
    summary: 'Answers more than it declares',
    access: { kind: 'authenticated', reason: 'test' },
    response: Type.Object({ id: Type.String() }, { additionalProperties: false }),
    handle: async () => ({ id: 'x', passwordHash: 'leaked' }),
  });
  http.route({
    method: 'GET',
    path: '/api/throws/:kind',
    summary: 'Throws',
    access: { kind: 'authenticated', reason: 'test' },
    handle: async ({ params }) => {
      if (params.kind === 'unknown') throw new Error('connect postgres://user:hunter2@db');
      throw new Fault('denied', 'things.denied', 'policy team-a forbids things/*', {
        details: { policy: 'team-a' },
      });
    },
  });
  http.route({
    method: 'DELETE',
    path: '/api/things/:thing',
    summary: 'Removes a thing',
    access: { kind: 'authenticated', reason: 'test' },
    handle: async ({ headers }) => {
      seen.push(JSON.stringify(headers));
      return undefined;
    },
  });
};

let test: TestHttp;
beforeAll(async () => {
  test = await openTestHttp({
    routes: [routes],
    actors: { 'token-ada': person('ada') },
    authorize: async (_actor, capability, path) => {
      seen.push(`${capability} ${path}`);
      if (path !== 'things/a') throw new Fault('denied', 'identity.denied', `no policy allows ${path}`);
    },
  });
});
afterAll(() => test.close());

const call = async (
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer> | object,
  headers: Record<string, string> = {},
) => {
  const response = await fetch(test.url + path, {
    method,
    headers: {
      authorization: 'Bearer token-ada',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  // Tests look into answers of many shapes.
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  };
};

describe('a route', () => {
  it('gives typed parts to the handler and its answer to the caller', async () => {
    const answer = await call('POST', '/api/things/a?times=3', { name: 'n' });

    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({ thing: 'a/n', by: 'psn_ada', times: 3 });
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('answers 204 when there is nothing to say', async () => {
    expect(await call('DELETE', '/api/things/a')).toMatchObject({ status: 204, text: '' });
  });

  it('does not show credentials to handlers', async () => {
    await call('DELETE', '/api/things/a', undefined, {
      cookie: 'session=hunter2',
      'x-vault-token': 'hunter3',
    });

    expect(seen.at(-1)).toContain('user-agent');
    expect(seen.at(-1)).not.toMatch(/token-ada|hunter/);
  });

  it('answers an error instead of fields that its schema does not have', async () => {
    const answer = await call('GET', '/api/leak');

    expect(answer).toMatchObject({ status: 500, json: { code: 'http.response_mismatch' } });
    expect(answer.text).not.toContain('leaked');
  });
});

describe('access', () => {
  it('needs a token, and says so', async () => {
    const answer = await call('DELETE', '/api/things/a', undefined, { authorization: '' });

    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it.each([
    'Bearer wrong',
    'Bearer',
    'Bearer a b',
    'Basic dTp0b2tlbi1hZGE=',
    'token-ada',
    `Bearer ${'x'.repeat(9000)}`,
  ])('refuses %j', async (authorization) => {
    expect(await call('DELETE', '/api/things/a', undefined, { authorization })).toMatchObject({
      status: 401,
      json: { title: 'who you are is not known' },
    });
  });

  it('asks authorize with the declared capability and path', async () => {
    await call('POST', '/api/things/a', { name: 'n' });

    expect(seen.at(-1)).toBe('create things/a');
  });

  it('refuses without explaining the policy', async () => {
    const answer = await call('POST', '/api/things/b', { name: 'n' });

    expect(answer).toMatchObject({ status: 403, json: { code: 'identity.denied', detail: 'not allowed' } });
    expect(answer.text).not.toContain('no policy allows');
  });

  it('is decided before the body is read', async () => {
    expect(await call('POST', '/api/things/b', '{"not json')).toMatchObject({ status: 403 });
  });

  it.each(['a%2Fb', '..%2Fa', '%2e%2e', 'a%00', 'a%5Cb', 'a%0Ab'])(
    'refuses the name %s before judging it',
    async (name) => {
      const before = seen.length;

      const answer = await call('POST', `/api/things/${name}`, { name: 'n' });

      expect([400, 404]).toContain(answer.status);
      expect(seen.slice(before)).toEqual([]);
    },
  );

  it('is public only where declared; a new public route must be added here', () => {
    const open = test.http.declared
      .filter((route) => route.access.kind === 'public')
      .map((r) => `${r.method} ${r.path}`);

    console.info(`public routes of the platform:\n  ${open.join('\n  ')}`);
    expect(open).toEqual(['GET /api/health', 'GET /api/openapi.json']);
  });
});

describe('problems', () => {
  it('are RFC 9457 documents with code and request id', async () => {
    const answer = await call('GET', '/api/nowhere');

    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.json).toEqual({
      type: 'https://sallyport.dev/problems/http.not_found',
      title: 'not found',
      status: 404,
      code: 'http.not_found',
      detail: 'nothing is at this path',
      requestId: answer.headers.get('x-request-id'),
    });
  });

  it.each(['unknown', 'denied'])('keep the inside inside (%s)', async (kind) => {
    const answer = await call('GET', `/api/throws/${kind}`);

    expect(answer.status).toBe(kind === 'unknown' ? 500 : 403);
    expect(answer.text).not.toMatch(/hunter2|team-a|postgres/);
  });

  it('say where a body does not match', async () => {
    const answer = await call('POST', '/api/things/a', { name: 'much too long a name' });

    expect(answer).toMatchObject({
      status: 400,
      json: { code: 'http.schema', details: { at: 'body/name' } },
    });
  });

  it.each([
    ['an unknown field', '{"name":"n","admin":true}'],
    ['a wrong type', '{"name":1}'],
    ['no body', ''],
    ['a truncated body', '{"name":"n"'],
    ['trailing data', '{"name":"n"} {}'],
    ['a duplicate key', '{"name":"n","name":"m"}'],
    ['a prototype', '{"__proto__":{"name":"n"}}'],
    ['bad UTF-8', Uint8Array.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')])],
  ])('refuse %s', async (_what, body) => {
    const answer = await call('POST', '/api/things/a', body);

    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('problem+json');
  });

  it('refuse deep JSON without falling over', async () => {
    const deep = `{"name":${'['.repeat(450)}${']'.repeat(450)}}`;

    expect(await call('POST', '/api/things/a', deep)).toMatchObject({ status: 400 });
  });

  it('refuse a body over the limit, told or not told in advance', async () => {
    const told = await call('POST', '/api/things/a', { name: 'x'.repeat(2000) });
    const stream = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(500).fill(0x20)),
    });
    const untold = await fetch(`${test.url}/api/things/a`, {
      method: 'POST',
      headers: { authorization: 'Bearer token-ada', 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    });

    expect(told).toMatchObject({ status: 413, json: { code: 'http.body_too_large' } });
    expect(untold.status).toBe(413);
  });

  it('refuse another media type', async () => {
    expect(await call('POST', '/api/things/a', '<x/>', { 'content-type': 'text/xml' })).toMatchObject({
      status: 415,
    });
  });

  it('refuse a body where none is expected', async () => {
    expect(await call('DELETE', '/api/things/a', { surprise: 1 })).toMatchObject({ status: 400 });
  });
});

describe('the OpenAPI document', () => {
  it('lists the routes with their schemas and says which need no token', async () => {
    const { json } = await call('GET', '/api/openapi.json');

    expect(json).toMatchObject({
      openapi: '3.1.0',
      paths: {
        '/api/things/{thing}': {
          post: { summary: 'Makes a thing', requestBody: {}, responses: { 201: {} } },
        },
        '/api/health': { get: { security: [] } },
      },
    });
  });
});
