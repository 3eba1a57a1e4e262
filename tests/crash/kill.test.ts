import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnDatabase, ownDatabase } from '../support/database.ts';
import { driveToProduction } from '../support/drive.ts';
import { type Installation, startInstallation } from '../support/installation.ts';
import { type Outcome, outcomeOf } from '../support/outcome.ts';
import { type PackageRegistry, startPackageRegistry } from '../support/package-registry.ts';
import type { Program } from '../support/program.ts';
import { createSeries } from '../support/random.ts';
import { smallRuntime } from '../support/runtimes.ts';
import { type Scene, setScene, verifyLedger } from '../support/scene.ts';

/**
 * Server and agent are killed with SIGKILL at random moments of several journeys. Afterwards nothing may tell these
 * journeys from one that nobody disturbed, and every effect happened once.
 */
const kills = 20;
/** Printed, so that a failure can be had again: `SALLYPORT_SEED=… npm run test:crash`. */
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const longestMs = 300_000;

/** PostgreSQL where DATABASE_URL is set, else the embedded database. */
let database: OwnDatabase | undefined;
let packages: PackageRegistry;
let installation: Installation;
let scene: Scene;
let undisturbed: Outcome;

beforeAll(async () => {
  const runtime = smallRuntime();
  packages = await startPackageRegistry([runtime.package]);
  database = await ownDatabase();
  installation = await startInstallation({
    packages: packages.url,
    ...(database === undefined ? {} : { databaseUrl: database.url }),
  });
  scene = await setScene(installation, runtime, { pollSeconds: 1 });
}, 120_000);
afterAll(async () => {
  await installation?.close();
  await packages?.close();
  await database?.drop();
});

describe(`SIGKILL at random moments, seed ${seed}`, () => {
  it('an undisturbed journey, for comparison', async () => {
    const commit = scene.commitVersion('0');
    await driveToProduction(scene, commit);

    undisturbed = await outcomeOf(scene.ada, commit);

    expect(undisturbed.run).toBe('succeeded');
    expect(undisturbed.promotions).toEqual([
      'dev promote healthy',
      'prod promote healthy',
      'stage promote healthy',
    ]);
  }, 120_000);

  it(
    `${kills} times over leaves every journey as an undisturbed one, and no effect twice`,
    async () => {
      const killer = startKiller(installation);
      const journeys: { commit: string; digest: string }[] = [];
      try {
        for (let version = 1; !killer.isDone(); version += 1) {
          const commit = scene.commitVersion(String(version));
          journeys.push({
            commit,
            digest: await Promise.race([driveToProduction(scene, commit), killer.failed]),
          });
        }
      } finally {
        await killer.stop();
        process.stdout.write(`seed ${seed}, ${journeys.length} journeys: ${killer.said().join(', ')}\n`);
      }

      for (const { commit, digest } of journeys) {
        expect(await outcomeOf(scene.ada, commit), `journey of ${commit}, ${digest}`).toEqual(undisturbed);
      }
      expect(new Set(journeys.map(({ digest }) => digest)).size).toBe(journeys.length);
      expect(killer.said().length).toBe(kills);
    },
    longestMs,
  );

  it('and the ledger agrees with the database, to the last row', async () => {
    const report = await verifyLedger(scene.ada);

    expect(report.findings).toEqual([]);
    expect(report.ok).toBe(true);
  }, 120_000);
});

interface Killer {
  isDone(): boolean;
  said(): readonly string[];
  /** Rejects when a killed program does not start again. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

function startKiller({ server, agent }: Installation): Killer {
  const random = createSeries(seed);
  const said: string[] = [];
  const stopping = new AbortController();
  const began = performance.now();

  async function killOnce(): Promise<void> {
    // Mostly in quick succession, at times with a pause that lets a journey come to its later steps.
    await sleep(random() < 0.7 ? random() * 1500 : random() * 6000, undefined, { signal: stopping.signal });
    const victims: Program[] = random() < 0.15 ? [server, agent] : random() < 0.5 ? [server] : [agent];
    said.push(
      `${victims.map((each) => each.name).join(' and ')} at ${Math.round(performance.now() - began)} ms`,
    );
    await Promise.all(victims.map((each) => each.kill()));
    await sleep(random() * 500);
    await Promise.all(victims.map((each) => each.start()));
  }

  const work = (async () => {
    while (said.length < kills && !stopping.signal.aborted) await killOnce();
  })();
  const failed = work.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => {
      if (stopping.signal.aborted) return new Promise<never>(() => undefined);
      throw error;
    },
  );
  failed.catch(() => undefined);
  return {
    isDone: () => said.length >= kills,
    said: () => said,
    failed,
    stop: async () => {
      stopping.abort();
      await work.catch(() => undefined);
    },
  };
}
