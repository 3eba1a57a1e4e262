import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf, utf8 } from '../packages/formats/src/index.ts';
import { openDatabase } from '../packages/server/src/platform/index.ts';
import { createEvidenceReader } from '../packages/server/src/release/evidence-set.ts';
import { fact } from '../packages/server/src/release/policy/cel.ts';
import { decide } from '../packages/server/src/release/policy/decide.ts';
import { compilePolicy } from '../packages/server/src/release/policy/policy.ts';
import {
  build,
  createWorld,
  definition,
  imageOf,
  repository,
  worldMigrations,
} from '../packages/server/src/release/world.fixture.ts';
import { testResultStatement } from '../packages/server/src/signing/index.ts';
import { silentLog } from '../packages/server/test-support/fakes.ts';

/**
 * Decision over 1,000 pieces of evidence, and evidence sealed per second on a durable database directory.
 * Run: node bench/gates.ts
 */
const pieces = 1000;
const rounds = 25;

const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
const db = await openDatabase({ kind: 'directory', directory: join(directory, 'db') }, silentLog);
try {
  await db.migrate(worldMigrations);
  const world = createWorld({ db });
  const digest = await build(world, 'bench');
  const more = pieces - 6;
  const logDigest = digestOf(utf8('log'));
  const sealOne = (index: number) =>
    world.signing.seal({
      key: `run_bench/extra/${index}`,
      subject: { name: 'shop/orders', digest },
      ...testResultStatement({ runId: `run_${index}`, step: 'unit', passed: true, logDigest }),
    });
  const alone = performance.now();
  for (let index = 0; index < 50; index += 1) await sealOne(index);
  report('evidence sealed per second, one after another', 50 / seconds(alone), '/s');
  const together = performance.now();
  for (let index = 50; index < more; index += 32) {
    const batch = Array.from({ length: Math.min(32, more - index) }, (_, offset) => sealOne(index + offset));
    await Promise.all(batch);
  }
  report('evidence sealed per second, 32 at a time', (more - 50) / seconds(together), '/s');

  const policy = compilePolicy(definition(), repository);
  const [dev] = policy.environments;
  if (dev === undefined) throw new Error('no environment');
  const { expected } = policy;
  const circumstances = {
    now: new Date(),
    project: 'shop',
    service: 'orders',
    subject: fact('Subject', { digest: imageOf('bench') }),
    environment: fact('Environment', { name: 'dev', previous: '' }),
    expected: fact('Expected', {
      ...expected,
      builder: world.signing.identityUris.builderId,
      lockfiles: BigInt(expected.lockfiles),
      author: 'psn_author',
      authors: ['psn_author'],
      promoter: '',
    }),
    previous: fact('Previous', { healthy: false, healthySeconds: 0n }),
  };
  const root = await world.signing.trustRoot();
  const evidence = await world.signing.list(digest);
  const { list } = await world.revocations.current();
  const cold = performance.now();
  const reader = createEvidenceReader();
  const set = reader.read(digest, evidence, root, list);
  report(`verify ${evidence.length} bundles never seen before`, seconds(cold) * 1000, 'ms');
  report(
    `read ${evidence.length} bundles verified before, median`,
    median(() => reader.read(digest, evidence, root, list)),
    'ms',
  );
  const verdict = decide(set, dev, circumstances);
  if (verdict.outcome !== 'pass')
    throw new Error(JSON.stringify(verdict.gates.filter((gate) => !gate.passed)));
  report(
    `decision over ${evidence.length} pieces of evidence, median (target < 50)`,
    median(() => decide(set, dev, circumstances)),
    'ms',
  );
} finally {
  await db.close();
  await rm(directory, { recursive: true, force: true });
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

function median(work: () => unknown): number {
  const times = Array.from({ length: rounds }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  }).sort((a, b) => a - b);
  return times[Math.floor(rounds / 2)] ?? 0;
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(70)} ${value.toFixed(value < 10 ? 2 : 0)} ${unit}`);
}
