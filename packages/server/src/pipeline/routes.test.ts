import { createHmac } from 'node:crypto';
import { digestOf } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestHttp, type TestHttp } from '../../test-support/http.ts';
import {
  definitionText,
  jobReport,
  openPipeline,
  type PipelineFixture,
  stepReport,
} from '../../test-support/pipeline.ts';
import { pipelineRoutes } from './routes.ts';

let f: PipelineFixture;
let http: TestHttp;
const secret = 'a-webhook-secret-of-some-length';

beforeAll(async () => {
  f = await openPipeline();
  f.source.commit({ 'sallyport.yaml': definitionText });
  http = await openTestHttp({
    routes: [pipelineRoutes(f.pipeline)],
    actors: { admin: f.admin, agent: f.agent },
  });
});
afterAll(async () => {
  await http.close();
  await f.close();
});

async function call(token: string, method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(`${http.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: (): Record<string, unknown> => JSON.parse(text) };
}

describe('the HTTP door', () => {
  it('takes a repository, a run and its build from end to end', async () => {
    const added = await call('admin', 'POST', '/api/projects/shop/repositories', {
      name: 'orders',
      source: f.source.path,
      allowedSigners: f.source.allowedSigners,
      webhook: 'github',
      webhookSecret: secret,
    });
    expect(added.status).toBe(201);
    expect(added.text).not.toContain(secret);
    expect((await call('agent', 'POST', '/api/agent/jobs/lease', {})).status).toBe(204);

    const run = await call('admin', 'POST', '/api/projects/shop/runs', { repository: 'orders' });
    const runId = String(run.json()['id']);
    expect(run.json()).toMatchObject({ state: 'queued', trust: 'trusted', signature: { status: 'valid' } });

    const grant = await call('agent', 'POST', '/api/agent/jobs/lease', { waitSeconds: 5 });
    // The order of environments is the way a release travels: it must survive JSON.
    expect(grant.text.indexOf('"zulu"')).toBeLessThan(grant.text.indexOf('"alpha"'));
    const job = `/api/agent/jobs/${runId}`;
    const lease = { 'sallyport-lease': String(grant.json()['leaseToken']) };
    const source = await fetch(`${http.url}${job}/source`, {
      headers: { authorization: 'Bearer agent', ...lease },
    });
    expect(digestOf(new Uint8Array(await source.arrayBuffer()))).toBe(grant.json()['sourceDigest']);
    expect((await call('agent', 'POST', `${job}/heartbeat`, undefined, lease)).status).toBe(200);
    expect((await call('agent', 'POST', `${job}/heartbeat`)).json()['code']).toBe('pipeline.lease_lost');

    const follow = call('admin', 'GET', `/api/projects/shop/runs/${runId}/steps/install/log?follow=true`);
    for (const step of ['install', 'compile', 'unit', 'integration']) {
      const at = `${job}/steps/${step}`;
      expect((await call('agent', 'POST', `${at}/grant`, undefined, lease)).status).toBe(200);
      expect((await call('agent', 'POST', `${at}/log?offset=0`, 'hello ', lease)).json()).toEqual({
        offset: 6,
      });
      expect((await call('agent', 'POST', `${at}/log?offset=99`, 'x', lease)).json()['details']).toEqual({
        offset: 6,
      });
      expect((await call('agent', 'POST', `${at}/log?offset=6`, step, lease)).status).toBe(200);
      expect((await call('agent', 'POST', `${at}/finish`, stepReport(`hello ${step}`), lease)).status).toBe(
        204,
      );
    }
    expect((await call('agent', 'POST', `${job}/finish`, jobReport(), lease)).status).toBe(204);

    expect((await follow).text).toBe('hello install');
    const detail = await call('admin', 'GET', `/api/projects/shop/runs/${runId}`);
    expect(detail.json()['run']).toMatchObject({ state: 'built', image: jobReport().image?.digest });
    expect(detail.json()['steps']).toHaveLength(4);
    expect((await call('admin', 'GET', '/api/projects/shop/runs?limit=1')).json()['next']).toBe(runId);
    expect((await call('admin', 'GET', `/api/projects/other/runs/${runId}`)).status).toBe(404);
    expect((await call('admin', 'GET', `/api/projects/other/runs/${runId}/steps/unit/log`)).status).toBe(404);
  });

  it('takes each authentic delivery of a forge once', async () => {
    const [repository] = await f.pipeline.repositories.list('shop');
    const body = '{"ref":"refs/heads/main"}';
    const deliver = (id: string, key = secret, path = `github/${repository?.id}`) =>
      fetch(`${http.url}/api/webhooks/${path}`, {
        method: 'POST',
        body,
        headers: {
          'x-github-delivery': id,
          'x-hub-signature-256': `sha256=${createHmac('sha256', key).update(body).digest('hex')}`,
        },
      }).then(({ status }) => status);
    f.wakes.length = 0;

    expect(await deliver('d-1')).toBe(202);
    expect(await deliver('d-1')).toBe(409);
    expect(await deliver('d-2', 'another-secret-of-some-length')).toBe(401);
    expect(await deliver('d-3', secret, `gitlab/${repository?.id}`)).toBe(401);
    expect(await deliver('d-4', secret, 'github/repo_00000000-0000-7000-8000-ffffffffffff')).toBe(401);
    expect(f.wakes).toEqual([`pipeline.poll ${repository?.id}`]);
  });

  it.each([
    ['POST', '/api/projects/shop/repositories', { name: 'x', source: 'ext::sh -c id' }, 400],
    ['POST', '/api/projects/shop/repositories', { name: 'x', source: '/nowhere' }, 503],
    ['POST', '/api/projects/shop/repositories', { name: '../x', source: '/nowhere' }, 400],
    ['POST', '/api/projects/shop/runs', { repository: 'orders', ref: '--upload-pack=x' }, 400],
    ['POST', '/api/projects/shop/runs', { repository: 'orders', commit: 'HEAD' }, 400],
    ['POST', '/api/projects/shop/runs', { repository: 'none' }, 404],
    ['POST', '/api/agent/jobs/..%2f/heartbeat', undefined, 400],
  ])('refuses %s %s %j', async (method, path, body, status) => {
    expect((await call('admin', method, path, body)).status).toBe(status);
  });
});
