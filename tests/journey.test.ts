import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  parseBundle,
  parseStatement,
  parseTrustRoot,
  predicateTypes,
  readPredicate,
  verifyExport,
} from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pushUnknownImage } from '../examples/demo/stranger.ts';
import { type OwnDatabase, ownDatabase } from './support/database.ts';
import { exportOf, readFrom } from './support/export.ts';
import { type Installation, startInstallation } from './support/installation.ts';
import { type PackageRegistry, startPackageRegistry } from './support/package-registry.ts';
import { smallRuntime } from './support/runtimes.ts';
import {
  build,
  healthy,
  promotionIn,
  type Scene,
  setScene,
  statusOf,
  until,
  verifyLedger,
} from './support/scene.ts';

// Whole programs on a machine that may be busy with other test files.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const place = (environment: string) => ({ project: 'tiny', environment });

/** PostgreSQL where DATABASE_URL is set, else the embedded database. */
let database: OwnDatabase | undefined;
let packages: PackageRegistry;
let installation: Installation;
let scene: Scene;
/** The first release that reached production; later tests stand on it. */
let first = '';
let second = '';

beforeAll(async () => {
  const runtime = smallRuntime();
  packages = await startPackageRegistry([runtime.package]);
  database = await ownDatabase();
  installation = await startInstallation({
    packages: packages.url,
    ...(database === undefined ? {} : { databaseUrl: database.url }),
  });
  scene = await setScene(installation, runtime);
}, 60_000);
afterAll(async () => {
  await installation?.close();
  await packages?.close();
  await database?.drop();
});

describe('a signed commit', () => {
  it('reaches production, where a second person has to agree', async () => {
    const { ada, riley } = scene;
    const run = await build(ada);
    expect(run).toMatchObject({ state: 'succeeded', trust: 'trusted', signature: { status: 'valid' } });
    first = run.image ?? '';
    await healthy(ada, 'dev', first);
    await healthy(ada, 'stage', first);
    await ada.releases.promote(place('prod'), first);
    expect(await promotionIn(ada, 'prod', first, ['waiting'])).toMatchObject({
      outcome: expect.stringContaining('approvals'),
    });
    await riley.releases.approve(place('prod'), first, 'read the change');
    await healthy(ada, 'prod', first);

    expect(await Promise.all([scene.ask('dev'), scene.ask('stage'), scene.ask('prod')])).toEqual([
      'hello from dev, version 1',
      'hello from stage, version 1',
      'hello from prod, version 1',
    ]);
  });

  it('built a second time gives the same digest', async () => {
    const again = await build(scene.ada);

    expect(again).toMatchObject({ state: 'succeeded', image: first });
  });

  it('is followed in the trace from its source to its deployments', async () => {
    const types = (await scene.ada.releases.trace('tiny', first)).map((each) => each.type);

    for (const part of ['source', 'provenance', 'approval', 'deployment', 'release.promotion.healthy']) {
      expect(
        types.some((type) => type.includes(part)),
        `${part} in ${types.join(' ')}`,
      ).toBe(true);
    }
  });
});

describe('evidence', () => {
  it('verifies with no server: exported, and with a trust root pinned before', async () => {
    const trustRoot = parseTrustRoot(await scene.ada.evidence.trustRoot());
    const files = await exportOf(scene.ada, 'tiny/tiny', first);

    const report = await verifyExport(readFrom(files), trustRoot, { environment: 'prod' });

    expect(report.verdict?.verdict.verificationResult).toBe('PASSED');
    // A workstation claims no more; 'hosted' is the operator's word.
    expect(report.verdict?.verdict.verifiedLevels).toEqual(['SLSA_BUILD_LEVEL_1']);
    expect(report.evidence.length).toBeGreaterThan(10);
  });

  it('claims of each step exactly what this host was measured to enforce', async () => {
    const agent = fileURLToPath(import.meta.resolve('@sallyport/agent/main'));
    const { isolation } = JSON.parse(
      execFileSync(process.execPath, [agent, 'probe', '--json'], { encoding: 'utf8' }),
    );
    const all = await scene.ada.evidence.list(first);
    const bundle = all.find(({ predicateType }) => predicateType === predicateTypes.provenance)?.bundle ?? '';

    const { predicate } = parseStatement(parseBundle(bundle).envelope.payload);

    const { buildDefinition } = readPredicate('provenance', predicate);
    const steps = [buildDefinition.internalParameters?.['steps']].flat();
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(step).toMatchObject({ isolation });
  });

  it('does not verify when one byte of any file differs', async () => {
    const trustRoot = parseTrustRoot(await scene.ada.evidence.trustRoot());
    const files = await exportOf(scene.ada, 'tiny/tiny', first);

    for (const [path, bytes] of files) {
      const flipped = Uint8Array.from(bytes);
      const at = Math.floor(flipped.length / 2);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const changed = new Map(files).set(path, flipped);

      await expect(verifyExport(readFrom(changed), trustRoot), path).rejects.toMatchObject({
        kind: 'integrity',
      });
    }
  });
});

describe('drift', () => {
  it('of one byte in a running release is seen and healed', async () => {
    const file = findFile(join(installation.directory, 'agent', 'deploy', 'releases', 'tiny.prod.tiny'));
    const right = readFileSync(file);
    chmodSync(file, 0o644);
    writeFileSync(
      file,
      right.map((byte, index) => (index === 0 ? byte ^ 1 : byte)),
    );

    const finding = await until('the drift to be seen', async () =>
      (await statusOf(scene.ada, 'prod'))?.drift.find((each) => each.kind === 'file-changed'),
    );
    await healthy(scene.ada, 'prod', first);

    expect(finding.path).toContain('answer.txt');
    expect(await scene.ask('prod')).toBe('hello from prod, version 1');
    const healed = findFile(join(installation.directory, 'agent', 'deploy', 'releases', 'tiny.prod.tiny'));
    expect(readFileSync(healed)).toEqual(right);
  });

  it('of a killed instance is mended', async () => {
    const pids = servicePids('hello from stage');
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) process.kill(pid, 'SIGKILL');

    await until('stage to answer again', async () => {
      const status = await statusOf(scene.ada, 'stage');
      const isBack =
        status?.health === 'Healthy' && servicePids('hello from stage').some((pid) => !pids.includes(pid));
      return isBack ? status : undefined;
    });
    expect(await scene.ask('stage')).toBe('hello from stage, version 1');
  });
});

describe('a refusal', () => {
  it('meets an unsigned commit where signatures are demanded', async () => {
    const { ada } = scene;
    scene.commitVersion('unsigned', { signed: false });
    const run = await build(ada);
    expect(run).toMatchObject({ state: 'succeeded', signature: { status: 'unsigned' } });

    const promotion = await promotionIn(ada, 'dev', run.image ?? '', ['refused']);

    expect(promotion.outcome).toContain('commit-signed');
    const why = await ada.releases.why(place('dev'), run.image ?? '');
    expect(why.gates.filter((gate) => !gate.passed).map((gate) => gate.gate)).toEqual(['commit-signed']);
    expect(await scene.ask('dev')).toBe('hello from dev, version 1');
  });

  it('meets the author who approves alone', async () => {
    const { ada } = scene;
    scene.commitVersion('2');
    second = (await build(ada)).image ?? '';
    await healthy(ada, 'stage', second);
    await ada.releases.promote(place('prod'), second);
    await ada.releases.approve(place('prod'), second, 'looks good to me');
    await until('the approval to be sealed', async () => {
      const evidence = await ada.evidence.list(second);
      return evidence.find((each) => each.predicateType.includes('approval'));
    });

    const why = await ada.releases.why(place('prod'), second);
    expect(why.gates.filter((gate) => !gate.passed).map((gate) => gate.gate)).toEqual(['approvals']);
    expect(await promotionIn(ada, 'prod', second, ['waiting'])).toBeDefined();
    expect(await scene.ask('prod')).toBe('hello from prod, version 1');
  });

  it('meets an approver who asks for more than approving', async () => {
    await expect(scene.riley.releases.promote(place('prod'), second)).rejects.toMatchObject({
      kind: 'denied',
    });
  });

  it('meets an image that no run built', async () => {
    const { ada } = scene;
    const unknown = await pushUnknownImage(ada.transport, 'tiny/tiny', first);
    await ada.releases.promote(place('dev'), unknown);

    const promotion = await promotionIn(ada, 'dev', unknown, ['refused']);

    expect(promotion.outcome).toContain('provenance');
  });

  it('meets what a pull request built: untrusted, and never a release', async () => {
    const { ada, repository } = scene;
    const commit = scene.commitVersion('proposed', { branch: 'proposal' });
    execFileSync('git', ['update-ref', 'refs/pull/7/head', commit], { cwd: repository.directory });
    scene.repository.write(join('src', 'answer.txt'), 'version 2\n');
    const run = await build(ada, { ref: 'refs/pull/7/head' });
    expect(run).toMatchObject({ state: 'succeeded', trust: 'untrusted', commit });

    const promotions = await ada.releases.promotions('tiny');
    expect(promotions.filter((each) => each.digest === run.image)).toEqual([]);
    await ada.releases.promote(place('dev'), run.image ?? '');
    const promotion = await promotionIn(ada, 'dev', run.image ?? '', ['refused']);
    expect(promotion.outcome).toContain('provenance');
  });

  it('meets a service whose secret is missing, and the old one goes on', async () => {
    const { ada } = scene;
    scene.commitSecret('tiny/nowhere#greeting');
    const digest = (await build(ada)).image ?? '';

    const promotion = await promotionIn(ada, 'dev', digest, ['failed']);

    expect(promotion.outcome).toContain('tiny/nowhere');
    expect(await scene.ask('dev')).toBe('hello from dev, version 2');
    scene.commitSecret('tiny/words#greeting');
  });
});

describe('a rollback', () => {
  it('brings the release before back, judged again, and holds what comes by itself', async () => {
    const { ada, riley } = scene;
    const healed = (await build(ada)).image ?? '';
    await healthy(ada, 'stage', healed);
    await ada.releases.promote(place('prod'), healed);
    await riley.releases.approve(place('prod'), healed);
    await healthy(ada, 'prod', healed);
    expect(await scene.ask('prod')).toBe('hello from prod, version 2');

    const promotion = await ada.releases.rollback(place('prod'), 'orders time out');
    await healthy(ada, 'prod', first);

    expect(promotion).toMatchObject({ digest: first, purpose: 'rollback' });
    expect(await scene.ask('prod')).toBe('hello from prod, version 1');
    expect((await statusOf(ada, 'prod'))?.hold).toContain('rolled back');
  });
});

describe('the ledger', () => {
  it('agrees with the database after all that', async () => {
    const report = await verifyLedger(scene.ada);

    expect(report.findings).toEqual([]);
    expect(report.ok).toBe(true);
  });
});

function findFile(directory: string): string {
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (entry.endsWith('dist/answer.txt')) return join(directory, entry);
  }
  throw new Error(`no answer.txt in ${directory}`);
}

/** Processes of this installation's services whose environment holds a text. */
function servicePids(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        const mine = readFileSync(`/proc/${pid}/environ`, 'latin1');
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return mine.includes(`GREETING=${text}`) && command.includes('perl');
      } catch {
        return false;
      }
    })
    .map(Number);
}
