import { randomUUID } from 'node:crypto';
import { type Digest, digestOf, parseTrustRoot, signTrustRoot, utf8 } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  build,
  createWorld,
  declare,
  definition,
  imageOf,
  offer,
  p256Signer,
  place,
  repository,
  sealRun,
  someone,
  type World,
  worldMigrations,
} from '../../packages/server/src/release/world.fixture.ts';
import { openTestDb, type TestDb } from '../../packages/server/test-support/database.ts';
import { inTx } from '../../packages/server/test-support/fakes.ts';

/** Evidence is genuine here, and yet none of it may be used for what it does not show. */

let test: TestDb;
let world: World;
/** Each test has images of its own, so that nothing has to be emptied behind the ledger's back. */
let name = '';

beforeAll(async () => {
  test = await openTestDb(worldMigrations);
  world = createWorld({ db: test.db });
});
afterAll(() => test.close());
beforeEach(async () => {
  name = randomUUID();
  await declare(world);
});

const gatesOf = async (environment: string, digest: Digest) => {
  const why = await world.release.why('shop', 'orders', digest, environment);
  return Object.fromEntries(why.gates.map((gate) => [gate.gate, gate.passed]));
};

describe('evidence of another run about the same bytes', () => {
  const bad = { trusted: true, tests: [], dependencies: { notInLock: 3, verified: 0, complete: false } };

  it.each([
    ['an untrusted run', { trusted: false }],
    ['another project', { trusted: true, project: 'stranger' }],
    ['another service', { trusted: true, service: 'billing' }],
    ['another repository', { trusted: true, repository: 'https://git.example/fork' }],
  ])('does not count when it comes from %s', async (_what, theirs) => {
    // The protected run built the image without tests and with dependencies that nobody verified.
    await sealRun(world, { image: name, runId: `run_a${name}`, ...bad });
    // Somebody who may not release anything gets the very same digest, with everything in order.
    await sealRun(world, { image: name, runId: `run_b${name}`, ...theirs });

    expect(await gatesOf('dev', imageOf(name))).toMatchObject({
      provenance: true,
      'run-succeeded': true,
      'tests-passed': false,
      'dependencies-verified': false,
    });
  });

  it('does not lend its success to a trusted run that failed', async () => {
    await sealRun(world, { image: name, runId: `run_a${name}`, trusted: true, outcome: 'failed' });
    await sealRun(world, { image: name, runId: `run_b${name}`, trusted: false });

    expect(await gatesOf('dev', imageOf(name))).toMatchObject({ 'run-succeeded': false });
  });

  it('does not lend its signature to a commit that nobody signed', async () => {
    const signed = { ...definition().environments };
    const dev = {
      ...signed['dev'],
      target: { type: 'process', port: 8080 } as const,
      gates: [{ use: 'commit-signed' }],
    };
    await declare(world, definition({ ...signed, dev }));
    await sealRun(world, { image: name, runId: `run_a${name}`, trusted: true, signed: false });
    await sealRun(world, { image: name, runId: `run_b${name}`, trusted: false, commit: 'd'.repeat(40) });

    expect(await gatesOf('dev', imageOf(name))).toMatchObject({ 'commit-signed': false });
  });
});

describe('four eyes', () => {
  it('do not count whoever signed the commit, whatever author the commit names', async () => {
    const mallory = someone('mallory', ['release']);
    await sealRun(world, {
      image: name,
      runId: `run_a${name}`,
      trusted: true,
      signer: 'mallory@known.example',
    });
    // Anybody can write another name into a commit; nobody else could sign it.
    await offer(world, name, 'alice@known.example');
    await world.release.approve(mallory, { ...place('prod'), digest: imageOf(name) });
    expect(await gatesOf('prod', imageOf(name))).toMatchObject({ approvals: false });

    await world.release.approve(someone('riley', ['release']), { ...place('prod'), digest: imageOf(name) });
    expect(await gatesOf('prod', imageOf(name))).toMatchObject({ approvals: true });
  });
});

describe('a definition', () => {
  it('of another repository cannot take over a service', async () => {
    const theirs = {
      ...definition(),
      environments: { prod: { target: { type: 'process', port: 1 } as const } },
    };
    await expect(
      inTx(test.db, (tx) =>
        world.release.declare(tx, {
          project: 'shop',
          service: 'orders',
          ociRepository: 'shop/orders',
          repository: 'https://git.example/other',
          definition: theirs,
          definitionDigest: digestOf(utf8('other')),
        }),
      ),
    ).rejects.toMatchObject({ code: 'release.service_taken' });
    expect((await world.release.services('shop'))[0]?.repository).toBe(repository);
  });
});

describe('rows that somebody wrote past the server', () => {
  const execute = (statement: ReturnType<typeof sql>) => inTx(test.db, (tx) => statement.execute(tx));
  const verified = async () => {
    while ((await world.ledger.integrate()) > 0);
    const report = await world.ledger.verify(world.audited());
    return report.findings.map((finding) => finding.where);
  };
  const altered = { code: 'release.row_altered' };

  it('a definition without gates is not judged by', async () => {
    await build(world, name);
    await execute(
      sql`update release_services set definition = ${JSON.stringify({ ...definition(), environments: { prod: { target: { type: 'process', port: 1 } } } })}`,
    );

    await expect(world.release.why('shop', 'orders', imageOf(name), 'prod')).rejects.toMatchObject(altered);
    expect(await verified()).toContain('service/shop/orders');
  });

  it('a verdict that says pass is neither sealed nor published', async () => {
    await build(world, name);
    const { id } = await world.release.promote(someone('promoter'), {
      ...place('prod'),
      digest: imageOf(name),
    });
    await world.jobs.drain();
    const gate = { gate: 'approvals', origin: 'definition', passed: true, reason: '', fix: '' };
    const verdict = JSON.stringify({
      outcome: 'pass',
      gates: [gate],
      evidence: [],
      policyDigest: digestOf(utf8('x')),
      decidedAt: '2026-11-20T10:00:00.000Z',
    });
    for (const state of ['deciding', 'sealed', 'deployed']) {
      await execute(
        sql`update release_promotions set state = ${state}, verdict = ${verdict}, revision = 1, verdict_bundle = ${digestOf(utf8('y'))} where id = ${id}`,
      );
      await expect(world.release.advance(id)).rejects.toMatchObject(altered);
    }
    expect(await world.release.desiredFor(['shop/prod'])).toEqual([]);
    const verdicts = (await world.signing.list(imageOf(name))).filter(({ key }) => key.includes('/verdict/'));
    expect(verdicts.map(({ predicate }) => predicate['verificationResult'])).toEqual(['FAILED']);
    expect(await verified()).toContain(`promotion/${id}`);
  });

  it('reasons of a stored verdict cannot be reworded unseen', async () => {
    const { id } = await world.release.promote(someone('promoter'), {
      ...place('dev'),
      digest: imageOf(name),
    });
    await world.jobs.drain();
    await execute(
      sql`update release_promotions set verdict = replace(verdict::text, 'expected', 'EXPECTED')::json where id = ${id}`,
    );
    expect(await verified()).toContain(`promotion/${id}`);
  });

  it('an approval that nobody gave is not sealed', async () => {
    await build(world, name);
    const row = `apr_${name}`;
    await execute(
      sql`insert into release_approvals (id, project, service, environment, digest, person, name, groups, comment, approved_at)
        values (${row}, 'shop', 'orders', 'prod', ${imageOf(name)}, 'psn_boss', 'boss', '["release"]', '', now())`,
    );
    await expect(world.release.sealApproval(row)).rejects.toMatchObject(altered);
    expect((await world.signing.list(imageOf(name))).map((each) => each.key)).not.toContain(
      `approval/${row}`,
    );
    expect(await verified()).toContain(`approval/${row}`);
  });

  it('another author does not make the author a second person', async () => {
    await build(world, name);
    await offer(world, name);
    await execute(
      sql`update release_releases set author_email = 'x@known.example' where digest = ${imageOf(name)}`,
    );
    await expect(world.release.why('shop', 'orders', imageOf(name), 'prod')).rejects.toMatchObject(altered);
    const releases = (await verified()).filter((where) => where.startsWith('release/'));
    expect(releases).toHaveLength(1);
  });

  it('time that never passed is no soaking', async () => {
    await build(world, name);
    await execute(
      sql`insert into release_residences (project, service, environment, digest, healthy_since, last_healthy_at, longest_seconds)
        values ('shop', 'orders', 'stage', ${imageOf(name)}, null, null, 1000000)`,
    );
    const why = await world.release.why('shop', 'orders', imageOf(name), 'prod');
    expect(why.gates.find((gate) => gate.gate === 'soaked')).toMatchObject({ passed: false });
  });

  it('a desired state that was published is found when it is changed or removed', async () => {
    await build(world, name);
    await offer(world, name);
    await world.jobs.drain();
    await execute(
      sql`update release_desired set digest = ${digestOf(utf8('other'))} where digest = ${imageOf(name)}`,
    );
    expect((await verified()).some((where) => where.startsWith('desired/shop/orders/dev/'))).toBe(true);
  });

  it('a key that the keyring never had signs nothing that is believed', async () => {
    await build(world, name);
    const theirs = p256Signer();
    await execute(
      sql`insert into signing_keys (hint, public_key, valid_from, valid_until) values (${theirs.keyId}, ${theirs.publicKeySpki}, now(), now())`,
    );
    try {
      await expect(world.signing.trustRoot()).rejects.toMatchObject({ code: 'signing.key_unrecorded' });
      await expect(world.release.why('shop', 'orders', imageOf(name), 'dev')).rejects.toMatchObject({
        code: 'signing.key_unrecorded',
      });
      expect(await verified()).toContain(`signing-key/${theirs.keyId}`);
    } finally {
      await execute(sql`delete from signing_keys where hint = ${theirs.keyId}`);
    }
  });

  it('a trust root of theirs is not handed to agents, nor judged by', async () => {
    const theirs = p256Signer();
    const genuine = parseTrustRoot(await world.signing.trustRoot());
    const [key] = genuine.keys;
    if (key === undefined) throw new Error('expected a key');
    const forged = signTrustRoot(
      { ...genuine, keys: [{ ...key, hint: theirs.keyId, publicKey: theirs.publicKeySpki }] },
      theirs.keyId,
      (bytes) => theirs.sign(bytes),
    );
    const [before] = (await execute(sql`select document from signing_trust_roots`)).rows as {
      document: string;
    }[];
    await execute(sql`update signing_trust_roots set document = ${forged}`);
    await expect(world.signing.trustRoot()).rejects.toMatchObject({ code: 'signing.trust_root_altered' });
    await execute(sql`update signing_trust_roots set document = ${before?.document}`);
  });
});
