import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { canonicalJson, digestOf, mediaTypes, SecretBytes, utf8 } from '@sallyport/formats';
import { path } from '@sallyport/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addRepository,
  buildBy,
  definitionWith,
  ended,
  type Fortress,
  lease,
  openFortress,
  pushBlob,
  pushImage,
  pushManifest,
} from './fortress.ts';

/** The server against an agent that lies, and steps that try to use what they were given for something else. */

const process = (port: number): string => `{ target: { type: process, port: ${port} }`;
const open = `  dev: ${process(4001)} }\n`;

let fortress: Fortress;
beforeAll(async () => {
  fortress = await openFortress();
}, 120_000);
afterAll(() => fortress.close());

/** A leased build of a new project. */
async function leased(project: string) {
  const { repository } = await addRepository(fortress, project, definitionWith('', open));
  const { id } = await fortress.ada.runs.start(project, { repository: 'orders' });
  return { repository, runId: id, job: await lease(fortress.agent) };
}

describe('a report about an image', () => {
  it('that was never pushed fails the run, and is not asked for again and again', async () => {
    const { runId, job } = await leased('ghost');
    await job.step('make');
    await job.finishStep('make', '');
    const digest = digestOf(utf8('nothing'));
    await job.finish({ outcome: 'succeeded', image: { digest, sizeBytes: 1 }, materials: [] });

    const run = await ended(fortress.ada, 'ghost', runId);
    expect([run.state, run.reason]).toEqual(['failed', expect.stringContaining('registry.manifest_unknown')]);
  });

  it.each([
    ['not gzip', Buffer.from('no gzip at all, only text')],
    ['cut off', gzipSync(Buffer.alloc(4096)).subarray(0, 20)],
    ['gzip of something else than tar', gzipSync(Buffer.from('x'.repeat(1024)))],
  ])('with a layer that is %s fails the run', async (what, layer) => {
    const project = `layer-${what.replaceAll(/[^a-z]/g, '').slice(0, 12)}`;
    const { runId, job } = await leased(project);
    await job.step('make');
    await job.finishStep('make', '');
    const digest = await pushImage(fortress.agent, `${project}/orders`, 'x', new Uint8Array(layer));
    await job.finish({ outcome: 'succeeded', image: { digest, sizeBytes: 1 }, materials: [] });

    expect(await ended(fortress.ada, project, runId)).toMatchObject({ state: 'failed' });
  });

  it('counts only when every step was seen to end well', async () => {
    const { job } = await leased('early');
    const digest = await pushImage(fortress.agent, 'early/orders', 'x');
    const image = { digest, sizeBytes: 1 };
    await expect(job.finish({ outcome: 'succeeded', image, materials: [] })).rejects.toMatchObject({
      code: 'pipeline.steps_open',
    });
    await job.finish({ outcome: 'failed', materials: [] });
  });
});

describe('what an agent pushes', () => {
  it('makes nothing a release: no run built it, whatever statement hangs on it', async () => {
    const { digest } = await (async () => {
      await addRepository(fortress, 'forge', definitionWith('', open));
      return buildBy(fortress, 'forge', 'genuine');
    })();
    const [genuine] = await fortress.ada.evidence.list(digest);
    expect(genuine).toBeDefined();
    // Another image, with genuine bundles of the first one and a home-made one attached to it.
    const forged = await pushImage(fortress.agent, 'forge/orders', 'forged');
    const subject = { mediaType: mediaTypes.ociManifest, digest: forged, size: 1 };
    for (const bundle of [
      genuine?.bundle ?? '',
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}',
    ]) {
      const empty = utf8('{}');
      await pushBlob(fortress.agent, 'forge/orders', empty);
      await pushBlob(fortress.agent, 'forge/orders', utf8(bundle));
      await pushManifest(fortress.agent, 'forge/orders', {
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: 2 },
        layers: [
          {
            mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
            digest: digestOf(utf8(bundle)),
            size: utf8(bundle).length,
          },
        ],
        subject,
        annotations: { nonce: bundle.slice(0, 10) },
      });
    }
    const why = await fortress.ada.releases.why({ project: 'forge', environment: 'dev' }, forged);
    expect(why.outcome).toBe('refuse');
    expect(why.gates.filter(({ passed }) => !passed).map(({ gate }) => gate)).toEqual(
      expect.arrayContaining(['signature-valid', 'provenance', 'run-succeeded']),
    );
    await fortress.ada.releases.promote({ project: 'forge', environment: 'dev' }, forged);
  });

  it('cannot move a tag, nor take bytes of another repository by their digest', async () => {
    await addRepository(fortress, 'tags', definitionWith('', open));
    const config = { mediaType: mediaTypes.ociConfig, digest: digestOf(utf8('{}')), size: 2 };
    await pushBlob(fortress.agent, 'tags/orders', utf8('{}'));
    const manifest = (nonce: string) => ({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config,
      layers: [],
      annotations: { nonce },
    });
    await pushManifest(fortress.agent, 'tags/orders', manifest('1'), 'v1');
    await expect(pushManifest(fortress.agent, 'tags/orders', manifest('2'), 'v1')).rejects.toMatchObject({
      kind: expect.toBeOneOf(['denied', 'conflict']),
    });
    const narrow = await fortress.someone('agent', [
      { path: 'registry/own/*', capabilities: ['create', 'read'], effect: 'allow' },
    ]);
    await expect(
      narrow.client.transport.raw('GET', `/v2/tags/orders/blobs/${config.digest}`),
    ).rejects.toMatchObject({ kind: 'denied' });
    const mounted = await narrow.client.transport.raw('POST', '/v2/own/orders/blobs/uploads/', {
      query: { mount: config.digest, from: 'tags/orders' },
    });
    // 202: as if the other repository had no such blob. 201 would have given it away.
    expect(mounted.status).toBe(202);
  });
});

describe('a lease', () => {
  it('opens its own run only, to its own agent only, and ends with the run', async () => {
    const { job, runId } = await leased('fence');
    const other = await fortress.someone('agent', [
      { path: 'agent/*', capabilities: ['create', 'read', 'update', 'list'], effect: 'allow' },
    ]);
    const beat = path`/api/agent/jobs/${runId}/heartbeat`;
    const refused = { code: 'pipeline.lease_lost' };
    // The token, stolen: it needs the agent as well. A guess, none, and that of another run.
    await expect(other.client.transport.json('POST', beat, { headers: job.headers })).rejects.toMatchObject(
      refused,
    );
    for (const token of ['', 'guess', 'x'.repeat(5000)])
      await expect(
        fortress.agent.transport.json('POST', beat, { headers: { 'sallyport-lease': token } }),
      ).rejects.toMatchObject({ code: expect.stringMatching(/lease_lost/) });
    await expect(
      fortress.agent.transport.json('POST', path`/api/agent/jobs/${'run_x'}/heartbeat`, {
        headers: job.headers,
      }),
    ).rejects.toMatchObject({ kind: expect.toBeOneOf(['conflict', 'not_found']) });
    await job.finish({ outcome: 'failed', materials: [] });
    await expect(job.step('make')).rejects.toMatchObject({ kind: 'conflict' });
  });
});

describe('the identity of a step', () => {
  it('opens nothing of ours but its own name, and that only until the step ends', async () => {
    const { job, runId } = await leased('whoami');
    const { identityToken } = await job.step('make');
    const step = fortress.client(identityToken);
    const me = await step.transport.json<{ kind: string; policies: string[] }>('GET', '/api/identity/me');
    expect(me).toMatchObject({ kind: 'step', policies: [] });
    const { declared } = fortress.sallyport.http;
    for (const { method, path: route, access } of declared) {
      if (access.kind !== 'allowed') continue;
      const target = route
        .replace('*', 'a/blobs/uploads/b')
        .replaceAll(':runId', runId)
        .replaceAll(/:[a-zA-Z]+/g, 'x');
      const response = await fetch(fortress.url + target, {
        method,
        headers: { authorization: `Bearer ${identityToken}`, ...job.headers },
      });
      await response.arrayBuffer();
      expect([method, route, response.status]).toEqual([method, route, expect.toBeOneOf([403, 404])]);
    }
    await job.finishStep('make', '');
    await expect(step.transport.json('GET', '/api/identity/me')).rejects.toMatchObject({
      kind: 'unauthenticated',
    });
    await job.finish({ outcome: 'failed', materials: [] });
  });

  it('is not given to a run of a branch that is not protected, nor are secrets', async () => {
    await fortress.ada.secrets.put(
      { project: 'branch', environment: 'build', path: 'orders/key' },
      { key: SecretBytes.fromUtf8('correct-horse-battery') },
    );
    const { repository } = await addRepository(fortress, 'branch', definitionWith('', open));
    // The branch grants itself everything; its definition is not the one that counts.
    repository.write('sallyport.yaml', definitionWith(', secrets: { KEY: "orders/key#key" }', open));
    repository.commit('Help myself', { branch: 'feature' });
    const { id } = await fortress.ada.runs.start('branch', { repository: 'orders', ref: 'feature' });
    const job = await lease(fortress.agent);
    expect(job.grant).toMatchObject({
      trust: 'untrusted',
      definition: { build: { steps: [{ name: 'make' }] } },
    });
    expect(JSON.stringify(job.grant.definition)).not.toContain('orders/key');
    const granted = await job.step('make');
    expect(granted.secrets).toEqual([]);
    expect(granted.identityToken).toBeUndefined();
    await job.finish({ outcome: 'failed', materials: [] });
    expect(await ended(fortress.ada, 'branch', id)).toMatchObject({ trust: 'untrusted', state: 'failed' });
  });
});

describe('a log', () => {
  it('shows neither secrets nor the identity of its step, however they are cut, also when the agent masks nothing', async () => {
    const value = 'correct horse/battery+staple';
    await fortress.ada.secrets.put(
      { project: 'talk', environment: 'build', path: 'orders/key' },
      { key: SecretBytes.fromUtf8(value) },
    );
    const check = `verify:\n  - { name: check, run: check, secrets: { KEY: "orders/key#key" } }\n`;
    await addRepository(fortress, 'talk', definitionWith('', open, check));
    const { id: runId } = await fortress.ada.runs.start('talk', { repository: 'orders' });
    const job = await lease(fortress.agent);
    await job.step('make');
    await job.finishStep('make', '');
    const { identityToken = '', secrets } = await job.step('check');
    expect(Buffer.from(secrets[0]?.value ?? '', 'base64').toString()).toBe(value);
    const said = [value, Buffer.from(value).toString('base64'), encodeURIComponent(value), identityToken]
      .map((each, index) => `${index}: ${each}\n`)
      .join('');
    let offset = 0;
    // Seven bytes at a time: every secret is cut in many pieces.
    for (let at = 0; at < said.length; at += 7)
      offset = await job.log('check', offset, said.slice(at, at + 7));
    await job.finishStep('check', said);
    await job.finish({ outcome: 'failed', materials: [] });
    let log = '';
    for await (const chunk of await fortress.ada.runs.log('talk', runId, 'check'))
      log += Buffer.from(chunk).toString();
    expect(log).toContain('0: ');
    for (const bad of [
      'correct',
      'staple',
      'Y29ycmVjd',
      identityToken.slice(0, 40),
      identityToken.slice(-40),
    ])
      expect(log).not.toContain(bad);
  });
});

describe('an old commit, run by hand', () => {
  it('does not bring back the gates of its time', async () => {
    const strict = `  prod: ${process(4001)}, promote: { approvals: { min: 1, groups: [release] } } }\n`;
    const { repository } = await addRepository(
      fortress,
      'gates',
      definitionWith('', `  prod: ${process(4001)} }\n`),
    );
    const first = await buildBy(fortress, 'gates', 'first');
    repository.write('sallyport.yaml', definitionWith('', strict));
    repository.commit('Ask for an approval');
    await buildBy(fortress, 'gates', 'second');

    const again = await buildBy(fortress, 'gates', 'third', { commit: first.run.commit });

    expect(again.run.state).toBe('succeeded');
    const why = await fortress.ada.releases.why({ project: 'gates', environment: 'prod' }, again.digest);
    expect(why.gates.map(({ gate }) => gate)).toContain('approvals');
    expect(why.outcome).not.toBe('pass');
  });
});

describe('a source', () => {
  it('is not the copy of another project that the server keeps', async () => {
    await addRepository(fortress, 'mine', definitionWith('', open));
    const [theirs] = await fortress.ada.repositories.list('mine');
    const copy = join(fortress.directory, 'data', 'pipeline', 'git', `${theirs?.id}.git`);
    const spy = await fortress.someone('person', [
      { path: 'projects/spy/*', capabilities: ['create', 'read', 'list', 'update'], effect: 'allow' },
    ]);
    const link = join(fortress.directory, 'link');
    symlinkSync(copy, link);
    for (const source of [copy, `file://${copy}`, `${copy}/.`, copy.replace('/git/', '//git/'), link])
      await expect(
        spy.client.repositories.add('spy', { name: 'orders', source, pollSeconds: 0 }),
      ).rejects.toMatchObject({ code: 'pipeline.bad_source' });
  });
});

describe('the ledger', () => {
  it('agrees with the tables after all that, and holds no secret', async () => {
    const lines = await fortress.ada.transport.text('POST', '/api/ledger/verify');
    const { report } = JSON.parse(lines.trim().split('\n').at(-1) ?? '');
    expect(report).toMatchObject({ findings: [], unchecked: [] });
    const partial = report.treeSize < 256 ? `.p/${report.treeSize}` : '';
    const entries = await fortress.ada.transport.raw('GET', `/tile/entries/000${partial}`);
    const text = Buffer.from(await entries.arrayBuffer()).toString('latin1');
    expect(text).toContain('pipeline.step.granted');
    expect(text).not.toContain('correct');
    expect(text).not.toContain(canonicalJson(fortress.agentToken).slice(1, 20));
  });
});
