import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fortress, openFortress } from './fortress.ts';

/** What the composed server answers to, and to whom. Nobody sees all doors but `compose`, so this is where they are counted. */

let fortress: Fortress;
beforeAll(async () => {
  fortress = await openFortress();
});
afterAll(() => fortress.close());

/** Each parameter by its name, so that a path of a policy shows what it depends on. */
const names = new Proxy(
  {},
  { get: (_target, name) => (name === '*' ? 'a/blobs/uploads/b' : `<${String(name)}>`) },
);

describe('every route', () => {
  it('is known here, with who may call it', () => {
    const shown = fortress.sallyport.http.declared.map(({ method, path, access }) => {
      const who =
        access.kind === 'allowed' ? `${access.capability} ${access.path(names as never)}` : access.kind;
      return `${method} ${path}: ${who}`;
    });
    // Whoever adds a route says here who may call it; whoever reviews it reads one line.
    expect(shown.sort()).toMatchInlineSnapshot(`
      [
        "DELETE /api/federation/rules/:name: delete federation/<name>",
        "DELETE /api/identity/policies/:name: delete identity/policies/<name>",
        "DELETE /api/identity/tokens/:accessor: delete identity/accessors/<accessor>",
        "DELETE /api/projects/:project/environments/:environment/hold: update projects/<project>/environments/<environment>/holds",
        "DELETE /v2/*: delete registry/a",
        "GET /.well-known/jwks.json: public",
        "GET /.well-known/openid-configuration: public",
        "GET /api/agent/deployments: read agent/deployments",
        "GET /api/agent/jobs/:runId/source: update agent/jobs",
        "GET /api/audit/end: read audit",
        "GET /api/audit: read audit",
        "GET /api/authority: read authority",
        "GET /api/environments/:project/:environment: read environments/<project>/<environment>",
        "GET /api/environments: authenticated",
        "GET /api/evidence/:digest: read evidence/<digest>",
        "GET /api/federation/rules/:name: read federation/<name>",
        "GET /api/federation/rules: list federation",
        "GET /api/health: public",
        "GET /api/identity/me: authenticated",
        "GET /api/identity/policies/:name: read identity/policies/<name>",
        "GET /api/identity/policies: list identity/policies",
        "GET /api/identity/principals/:id/tokens: list identity/tokens/<id>",
        "GET /api/identity/principals/:id: read identity/principals/<id>",
        "GET /api/identity/principals: list identity/principals",
        "GET /api/identity/tokens/:accessor: read identity/accessors/<accessor>",
        "GET /api/inventory/findings: authenticated",
        "GET /api/inventory/parity/:project: authenticated",
        "GET /api/inventory/secrets: authenticated",
        "GET /api/ledger/consistency: public",
        "GET /api/ledger/events: read ledger",
        "GET /api/ledger/proofs/:entryId: read ledger",
        "GET /api/openapi.json: public",
        "GET /api/projects/:project/environments/:environment/why: read projects/<project>/environments/<environment>/why",
        "GET /api/projects/:project/promotions: read projects/<project>/promotions",
        "GET /api/projects/:project/repositories/:repository: read projects/<project>/repositories",
        "GET /api/projects/:project/repositories: list projects/<project>/repositories",
        "GET /api/projects/:project/runs/:runId/steps/:step/log: read projects/<project>/runs",
        "GET /api/projects/:project/runs/:runId: read projects/<project>/runs",
        "GET /api/projects/:project/runs: list projects/<project>/runs",
        "GET /api/projects/:project/status: read projects/<project>/status",
        "GET /api/projects/:project/trace/:digest: read projects/<project>/trace",
        "GET /api/revocations: read revocations",
        "GET /api/secrets/:project/:environment/data/*: read secrets/<project>/<environment>/a/blobs/uploads/b",
        "GET /api/secrets/:project/:environment/versions/*: list secrets/<project>/<environment>/a/blobs/uploads/b",
        "GET /api/secrets/:project/:environment: list secrets/<project>/<environment>",
        "GET /api/trust-root: public",
        "GET /api/trust: read trust",
        "GET /api/v1/log/entries/:uuid: public",
        "GET /api/v1/log/entries: public",
        "GET /api/v1/log/proof: public",
        "GET /api/v1/log/publicKey: public",
        "GET /api/v1/log: public",
        "GET /api/v1/timestamp/certchain: public",
        "GET /api/v2/checkpoint: public",
        "GET /api/v2/configuration: public",
        "GET /api/v2/tile/*: public",
        "GET /api/v2/tile/entries/*: read ledger",
        "GET /api/v2/trustBundle: public",
        "GET /checkpoint: public",
        "GET /log-key: public",
        "GET /signing_config.json: public",
        "GET /tile/*: public",
        "GET /tile/entries/*: read ledger",
        "GET /trusted_root.json: public",
        "GET /tuf/*: public",
        "GET /v2/*: read registry/a",
        "GET /v2/: authenticated",
        "GET /v2/token: authenticated",
        "GET /witness/key: public",
        "HEAD /v2/*: read registry/a",
        "HEAD /v2/: authenticated",
        "PATCH /api/environments/:project/:environment: update environments/<project>/<environment>",
        "PATCH /api/identity/principals/:id: update identity/principals/<id>",
        "PATCH /api/projects/:project/repositories/:repository: update projects/<project>/repositories",
        "PATCH /v2/*: create registry/a",
        "POST /api/agent/deployments/:project/:environment/:service/secrets: read agent/environments/<project>/<environment>",
        "POST /api/agent/deployments: update agent/deployments",
        "POST /api/agent/hello: create agent/hello",
        "POST /api/agent/jobs/:runId/finish: update agent/jobs",
        "POST /api/agent/jobs/:runId/hand-back: update agent/jobs",
        "POST /api/agent/jobs/:runId/heartbeat: update agent/jobs",
        "POST /api/agent/jobs/:runId/steps/:step/finish: update agent/jobs",
        "POST /api/agent/jobs/:runId/steps/:step/grant: update agent/jobs",
        "POST /api/agent/jobs/:runId/steps/:step/log: update agent/jobs",
        "POST /api/agent/jobs/lease: update agent/jobs",
        "POST /api/audit/search: read audit",
        "POST /api/audit/verify: read audit",
        "POST /api/authority/rotate: update authority",
        "POST /api/environments/:project/:environment/promote-config: update environments/<project>/<environment>",
        "POST /api/federation/lint: read federation",
        "POST /api/federation/rules: create federation",
        "POST /api/identity/login: public",
        "POST /api/identity/persons: create identity/principals",
        "POST /api/identity/principals/:id/tokens: create identity/tokens/<id>",
        "POST /api/identity/workloads: create identity/principals",
        "POST /api/keyring/environments/:project/:environment/rotate: update keyring/environments/<project>/<environment>",
        "POST /api/keyring/root/rotate: update keyring/root",
        "POST /api/keyring/system/rotate: update keyring/system",
        "POST /api/ledger/verify: read ledger",
        "POST /api/projects/:project/environments/:environment/approvals: approve projects/<project>/environments/<environment>/approvals",
        "POST /api/projects/:project/environments/:environment/promotions: create projects/<project>/environments/<environment>/promotions",
        "POST /api/projects/:project/environments/:environment/refusals: approve projects/<project>/environments/<environment>/approvals",
        "POST /api/projects/:project/environments/:environment/rollback: create projects/<project>/environments/<environment>/promotions",
        "POST /api/projects/:project/repositories/:repository/poll: update projects/<project>/repositories",
        "POST /api/projects/:project/repositories: create projects/<project>/repositories",
        "POST /api/projects/:project/runs/:runId/cancel: update projects/<project>/runs",
        "POST /api/projects/:project/runs: create projects/<project>/runs",
        "POST /api/revocations/:id/restoration: create revocations",
        "POST /api/revocations: create revocations",
        "POST /api/secrets/token: authenticated",
        "POST /api/trust/keys: update trust",
        "POST /api/trust/roots: update trust",
        "POST /api/trust/timestamps/rotate: update trust",
        "POST /api/v1/log/entries/retrieve: public",
        "POST /api/v1/log/entries: public",
        "POST /api/v1/timestamp: public",
        "POST /api/v2/log/entries: public",
        "POST /api/v2/signingCert: public",
        "POST /api/webhooks/:provider/:repository: public",
        "POST /v2/*: create registry/a",
        "POST /v2/token: public",
        "POST /witness/add-checkpoint: public",
        "PUT /api/identity/policies/:name: update identity/policies/<name>",
        "PUT /api/projects/:project/environments/:environment/hold: update projects/<project>/environments/<environment>/holds",
        "PUT /api/secrets/:project/:environment/data/*: update secrets/<project>/<environment>/a/blobs/uploads/b",
        "PUT /v2/*: create registry/a",
      ]
    `);
  });

  it('that is public has a reason, and that which is not refuses strangers before it reads a body', async () => {
    for (const { method, path, access } of fortress.sallyport.http.declared) {
      if (access.kind === 'public') {
        expect(access.reason.length).toBeGreaterThan(20);
        continue;
      }
      const target = path.replace('*', 'a/blobs/uploads/b').replaceAll(/:[a-zA-Z]+/g, 'x');
      const response = await fetch(fortress.url + target, {
        method,
        ...(['POST', 'PUT', 'PATCH'].includes(method) ? { body: '{"not json' } : {}),
      });
      await response.arrayBuffer();
      expect([method, path, response.status]).toEqual([method, path, expect.toBeOneOf([401, 404])]);
    }
  });
});

describe('an agent', () => {
  const may = async (method: string, path: string, body?: object): Promise<number> => {
    const response = await fetch(fortress.url + path, {
      method,
      headers: { authorization: `Bearer ${fortress.agentToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await response.arrayBuffer();
    return response.status;
  };

  it('reads no secret by its path, approves nothing, and makes nobody', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(await may('GET', '/api/secrets/shop/prod/data/orders/db')).toBe(403);
    expect(await may('GET', '/api/secrets/shop/prod')).toBe(403);
    expect(await may('POST', '/api/projects/shop/environments/prod/approvals', { digest })).toBe(403);
    expect(await may('POST', '/api/projects/shop/environments/prod/promotions', { digest })).toBe(403);
    expect(await may('POST', '/api/projects/shop/runs', { repository: 'orders' })).toBe(403);
    expect(await may('POST', '/api/identity/persons', { name: 'x', emails: ['x@example.com'] })).toBe(403);
    expect(await may('PUT', '/api/identity/policies/agent', { rules: [] })).toBe(403);
    expect(await may('DELETE', `/v2/shop/orders/manifests/${digest}`)).toBe(403);
    expect(await may('GET', '/api/ledger/events?resource=run/x')).toBe(403);
  });

  it('of one environment gets nothing of another', async () => {
    const dev = await fortress.someone('agent', [
      { path: 'agent/hello', capabilities: ['create'], effect: 'allow' },
      { path: 'agent/deployments', capabilities: ['read', 'update'], effect: 'allow' },
      { path: 'agent/environments/shop/dev', capabilities: ['read', 'update'], effect: 'allow' },
    ]);
    const { json } = dev.client.transport;
    const desired = (environments: string) =>
      json('GET', '/api/agent/deployments', { query: { environments, waitSeconds: 0 } });
    await expect(desired('shop/dev')).resolves.toMatchObject({ deployments: [] });
    for (const other of ['shop/prod', '*', 'shop/dev,shop/prod', 'shop/devil', 'shop/dev/../prod', 'shop/*'])
      await expect(desired(other)).rejects.toMatchObject({ kind: expect.toBeOneOf(['denied', 'invalid']) });
    await expect(
      json('POST', '/api/agent/deployments/shop/prod/orders/secrets', { body: { revision: 1 } }),
    ).rejects.toMatchObject({ kind: 'denied' });
    await expect(json('POST', '/api/agent/jobs/lease', { body: { waitSeconds: 0 } })).rejects.toMatchObject({
      kind: 'denied',
    });
  });
});

describe('a name in a path', () => {
  it('is judged as what it is used as, however it is spelt', async () => {
    const reader = await fortress.someone('person', [
      { path: 'secrets/shop/dev/*', capabilities: ['read', 'list', 'update'], effect: 'allow' },
    ]);
    for (const path of [
      '/api/secrets/shop/prod/data/orders/db',
      '/api/secrets/shop/dev/data/../../prod/data/orders/db',
      '/api/secrets/shop/dev/data/%2e%2e/%2e%2e/prod/data/orders',
      '/api/secrets/shop/dev%2f..%2fprod/data/orders',
      '/api/secrets/shop%2Fprod/dev/data/orders',
      '/api/secrets/shop/dev/data/..%2f..%2fprod%2forders',
      '/api/secrets/shop/DEV/data/orders',
      '/api/secrets/shop/ｄｅｖ/data/orders',
      '/api/secrets/shop/dev%00/data/orders',
      '/api/secrets/shop/dev//data/orders',
      '/api/secrets/shop/dev/data/orders%0a',
      '/api/secrets/shop/dev/data/',
      '/api/secrets/shop/dev/data/*',
      '/api/secrets/shop/+/data/orders',
      '/API/secrets/shop/dev/data/orders',
      '/api/secrets/shop/dev;x/data/orders',
    ]) {
      // Written by hand: `fetch` would clean the path up.
      expect([path, await status('GET', path, reader.token)]).toEqual([
        path,
        expect.toBeOneOf([400, 403, 404]),
      ]);
    }
    expect(await status('GET', '/api/secrets/shop/dev/data/orders/none', reader.token)).toBe(404);
  });
});

describe('input that is made to hurt', () => {
  const post = async (body: string): Promise<number> => {
    const response = await fetch(`${fortress.url}/api/identity/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await response.arrayBuffer();
    return response.status;
  };

  it('is refused in no time: depth, width, doubled keys, prototypes, half characters', async () => {
    const started = performance.now();
    expect(await post(`${'['.repeat(2000)}${']'.repeat(2000)}`)).toBe(400);
    expect(await post(`{"token":${'{"a":'.repeat(500)}1${'}'.repeat(500)}}`)).toBe(400);
    expect(await post('{"token":"a","token":"b"}')).toBe(400);
    expect(await post('{"__proto__":{"policies":["admin"]}}')).toBe(400);
    expect(await post('{"token":"\\ud800"}')).toBe(400);
    expect(await post(`{"token":"${'a'.repeat(5000)}"}`)).toBe(413);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('cannot hold a connection for ever before it said who it is', async () => {
    const { port, hostname } = new URL(fortress.url);
    const silent = connect(Number(port), hostname);
    const ended = new Promise<string>((resolve) => {
      let text = '';
      silent.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      silent.on('close', () => resolve(text));
    });
    silent.write('GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow: ');
    expect(await ended).toMatch(/^(HTTP\/1\.1 4|$)/);
  }, 30_000);

  it('smuggles no second request past the first', async () => {
    const both = 'content-length: 5\r\ntransfer-encoding: chunked\r\n';
    expect(
      await raw(`POST /api/identity/login HTTP/1.1\r\nhost: x\r\n${both}\r\n0\r\n\r\nGET /api/x`),
    ).toMatch(/^HTTP\/1\.1 400/);
  });
});

describe('a second server', () => {
  it('on the same directory is refused, and the first goes on', async () => {
    const { compose } = await import('../../packages/server/src/app/compose.ts');
    const { loadConfig } = await import('../../packages/server/src/platform/index.ts');
    const { silentLog } = await import('../../packages/server/test-support/fakes.ts');
    const { config } = await loadConfig({
      env: {},
      flags: { 'data-directory': `${fortress.directory}/data`, 'listen-port': '0' },
      cwd: fortress.directory,
    });
    await expect(compose(config, silentLog, () => undefined)).rejects.toMatchObject({ kind: 'conflict' });
    expect((await fetch(`${fortress.url}/api/health`)).status).toBe(200);
  });
});

async function status(method: string, path: string, token: string): Promise<number> {
  const answer = await raw(
    `${method} ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n\r\n`,
  );
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

function raw(request: string): Promise<string> {
  const { port, hostname } = new URL(fortress.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(request));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}
