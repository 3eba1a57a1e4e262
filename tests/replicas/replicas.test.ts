import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnDatabase, ownDatabase } from '../support/database.ts';
import { driveToProduction } from '../support/drive.ts';
import { type Installation, startInstallation } from '../support/installation.ts';
import { type Outcome, outcomeOf } from '../support/outcome.ts';
import { type PackageRegistry, startPackageRegistry } from '../support/package-registry.ts';
import { smallRuntime } from '../support/runtimes.ts';
import { project, type Scene, setScene, until, verifyLedger } from '../support/scene.ts';

const hasServer = (process.env['DATABASE_URL'] ?? '') !== '';
if (!hasServer) {
  console.warn(
    'SKIPPED: two replicas need a PostgreSQL; set DATABASE_URL to a role that may create databases',
  );
}

describe.skipIf(!hasServer)('two servers on one PostgreSQL', () => {
  let database: OwnDatabase | undefined;
  let packages: PackageRegistry;
  let installation: Installation;
  let scene: Scene;
  let undisturbed: Outcome;

  beforeAll(async () => {
    database = await ownDatabase();
    const runtime = smallRuntime();
    packages = await startPackageRegistry([runtime.package]);
    installation = await startInstallation({
      packages: packages.url,
      servers: 2,
      ...(database === undefined ? {} : { databaseUrl: database.url }),
    });
    scene = await setScene(installation, runtime, { pollSeconds: 1 });
  }, 120_000);
  afterAll(async () => {
    await installation?.close();
    await packages?.close();
    await database?.drop();
  });

  it('carry a journey together, and both tell the same of it', async () => {
    const commit = scene.commitVersion('0');
    await driveToProduction(scene, commit);

    undisturbed = await outcomeOf(installation.client(scene.tokens.ada, 0), commit);

    expect(undisturbed.run).toBe('succeeded');
    expect(await outcomeOf(installation.client(scene.tokens.ada, 1), commit)).toEqual(undisturbed);
  });

  it.each([
    ['the build', 'building'],
    ['the sealing of its evidence', 'examined'],
    ['the first deployment', 'succeeded'],
  ])(
    'end a journey as if nothing had been when one is killed in %s, and the agent moves to the other',
    async (_when, state) => {
      const commit = scene.commitVersion(state);
      const driven = driveToProduction(scene, commit);
      driven.catch(() => undefined);
      const { ada } = scene;
      const passed = ['queued', 'building', 'built', 'examined', 'attested', 'released', 'succeeded'];
      await until(
        'the moment of the kill',
        async () => {
          const run = (await ada.runs.list(project, 50)).find((each) => each.commit === commit);
          return run !== undefined && passed.indexOf(run.state) >= passed.indexOf(state) ? run : undefined;
        },
        { everyMs: 20 },
      );
      // The one that the agent speaks to.
      const victim = installation.server;
      await victim.kill();

      await driven;

      expect(await outcomeOf(ada, commit)).toEqual(undisturbed);
      await victim.start();
      // So that the next kill meets the agent again: it stays where it is answered.
      const other = installation.servers[1];
      await other?.kill();
      await sleep(1500);
      await other?.start();
    },
  );

  it('leave one ledger that agrees with the database', async () => {
    for (const index of [0, 1]) {
      const report = await verifyLedger(installation.client(scene.tokens.ada, index));

      expect(report.findings).toEqual([]);
      expect(report.ok).toBe(true);
    }
  });
});
