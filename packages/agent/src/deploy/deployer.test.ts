import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DeployReport } from '@sallyport/contract';
import { type Digest, digestHex, Fault, SecretBytes } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deployer } from './deployer.ts';
import {
  file,
  nodeCommand,
  onlyReport,
  openWorld,
  pushImage,
  server,
  until,
  type World,
} from './test-support/world.ts';
import { acceptDesired } from './verify.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => {
  await world.close();
});

const image = (version: string, extra?: string): Digest =>
  pushImage(
    world.registry,
    [
      [file('app/server.cjs', 'old'), file('app/text.txt', 'text')],
      [file('app/server.cjs', server(version, extra))],
    ],
    nodeCommand,
  ).digest;

const ask = async (path = '/'): Promise<Record<string, string>> => {
  const answer = await fetch(`http://127.0.0.1:${world.port}${path}`, { headers: { connection: 'close' } });
  return JSON.parse(await answer.text());
};

const root = (digest: Digest): string =>
  join(world.directory, 'deploy', 'releases', 'shop.prod.orders', digestHex(digest));

const open = async (...args: Parameters<World['deployer']>): Promise<Deployer> => {
  const deployer = world.deployer(...args);
  await deployer.open();
  await deployer.takeRevocations(world.revocations());
  return deployer;
};

describe('a deployment', () => {
  it('runs what is desired, with its environment and secrets, and reports it', async () => {
    const digest = image('one');
    const deployer = await open({
      secrets: async () => [{ name: 'TOKEN', delivery: 'env', value: SecretBytes.fromUtf8('t0ken-value') }],
    });

    await deployer.apply(world.desired(digest, 1, { spec: { secrets: { TOKEN: 'orders/api#token' } } }));

    expect(await ask()).toEqual({ version: 'one', token: 't0ken-value', image: 'yes', text: 'text' });
    expect(onlyReport(deployer)).toMatchObject({
      revision: 1,
      digest,
      sync: 'Synced',
      health: 'Healthy',
      findings: [],
      restarts: 0,
      address: `127.0.0.1:${world.port}`,
    });
    const state = readdirSync(join(world.directory, 'deploy'), { recursive: true, withFileTypes: true });
    for (const entry of state.filter((each) => each.isFile())) {
      expect(readFileSync(join(entry.parentPath, entry.name), 'latin1')).not.toContain('t0ken-value');
    }
  });

  it('is replaced without dropping a request', async () => {
    const deployer = await open();
    await deployer.apply(world.desired(image('one'), 1));
    const answers: string[] = [];
    let running = true;
    const client = async (path: string): Promise<void> => {
      while (running) answers.push((await ask(path))['version'] ?? 'nothing');
    };
    const clients = Promise.all([client('/'), client('/slow'), client('/slow'), client('/')]);
    await delay(300);

    await deployer.apply(world.desired(image('two'), 2));
    await delay(800);
    running = false;
    await clients;

    expect(answers.length).toBeGreaterThan(50);
    expect(new Set(answers)).toEqual(new Set(['one', 'two']));
    expect(answers.at(-1)).toBe('two');
    expect(onlyReport(deployer)).toMatchObject({ revision: 2, sync: 'Synced' });
  });

  it('is refused when anything about it is not genuine, and the old one goes on', async () => {
    const deployer = await open();
    const one = image('one');
    await deployer.apply(world.desired(one, 5));
    const two = image('two');
    const good = world.desired(two, 6);
    const flip = (text: string): string =>
      text.replace(/"payload":"(.{40})./, (_, kept) => `"payload":"${kept}A`);
    const bad: Record<string, ReturnType<World['desired']>> = {
      'a replay': world.desired(two, 4),
      'the same revision with another image': world.desired(two, 5),
      'a changed statement': { ...good, statement: flip(good.statement) },
      'another image than was signed': { ...good, digest: one },
      'another revision than was signed': { ...good, revision: 7 },
      'a verdict that refused': world.desired(two, 6, { verdictResult: 'FAILED' }),
      'a verdict about another image': world.desired(two, 6, { verdictSubject: one }),
      'a verdict for another environment': world.desired(two, 6, { environment: 'dev' }),
      'no statement': { ...good, statement: '{}' },
    };

    const seen: Record<string, string | undefined> = {};
    for (const [what, desired] of Object.entries(bad)) {
      await deployer.apply(desired);
      seen[what] = onlyReport(deployer).refusal?.code;
      expect(onlyReport(deployer), what).toMatchObject({ digest: one, health: 'Healthy' });
    }

    // An old one is no failure of the present revision; a forged one is reported, with a code of its own.
    expect(Object.keys(seen).filter((what) => seen[what] === undefined)).toEqual(['a replay']);
    expect(() => acceptDesired(world.desired(two, 4), world.installation.trustRoot, 5)).toThrow(
      expect.objectContaining({ code: 'deploy.replayed', kind: 'integrity' }),
    );
    expect(await ask()).toMatchObject({ version: 'one' });
    await deployer.apply(good);
    expect(onlyReport(deployer)).toMatchObject({ revision: 6, digest: two });
    expect(onlyReport(deployer).refusal).toBeUndefined();
  });

  it('does not run bytes the registry changed', async () => {
    const { digest, layers } = pushImage(
      world.registry,
      [[file('app/server.cjs', server('one'))]],
      nodeCommand,
    );
    const [layer] = layers;
    if (layer !== undefined) world.registry.corrupt(layer);
    const deployer = await open();

    await deployer.apply(world.desired(digest, 1));

    const report = onlyReport(deployer);
    expect(report.refusal?.code).toMatch(/deploy\.(digest|layer_gzip)|formats\./);
    expect(report).toMatchObject({ revision: 1, sync: 'OutOfSync', health: 'Degraded' });
    expect(report.digest).toBeUndefined();
  });

  it('that does not start or become healthy is reported and never gets a connection', async () => {
    const deployer = await open();
    const one = image('one');
    await deployer.apply(world.desired(one, 1));

    await deployer.apply(world.desired(image('two', 'console.error("boom"); process.exit(9);'), 2));
    const crashed = onlyReport(deployer);
    await deployer.apply(
      world.desired(image('three', 'globalThis.sick = true;'), 3, {
        spec: { target: { type: 'process', port: world.port, health: { path: '/healthz', timeout: '1s' } } },
      }),
    );
    const sick = onlyReport(deployer);

    expect(crashed).toMatchObject({
      revision: 2,
      digest: one,
      sync: 'OutOfSync',
      refusal: { code: 'deploy.start_failed' },
    });
    expect(crashed.refusal?.message).toContain('boom');
    expect(sick).toMatchObject({
      revision: 3,
      digest: one,
      health: 'Healthy',
      refusal: { code: 'deploy.unhealthy' },
    });
    expect(await ask()).toMatchObject({ version: 'one' });
  });
});

describe('a registry that is away', () => {
  it('is waited for, and is no failure of the revision', async () => {
    const digest = image('one');
    const { manifest } = world.registry;
    world.registry.manifest = async () => {
      throw new Fault('unavailable', 'sdk.unreachable', 'the registry is away');
    };
    const deployer = await open();

    await deployer.apply(world.desired(digest, 1));
    const waiting = onlyReport(deployer);
    world.registry.manifest = manifest;
    const there = await until(deployer, 'synced', ({ sync }) => sync === 'Synced');

    expect(waiting).toMatchObject({ revision: 1, sync: 'OutOfSync', health: 'Progressing' });
    expect(waiting.refusal).toBeUndefined();
    expect(there).toMatchObject({ digest, health: 'Healthy' });
  });
});

describe('supervision', () => {
  it('restarts an instance that ends, and connections wait for it', async () => {
    const deployer = await open();
    await deployer.apply(world.desired(image('one'), 1));

    await ask('/crash').catch(() => undefined);
    await until(deployer, 'seen dead', (report) =>
      report.findings.some(({ kind }) => kind === 'process-dead'),
    );
    const answer = await ask();

    const report = await until(
      deployer,
      'restarted',
      ({ restarts, sync }) => restarts === 1 && sync === 'Synced',
    );
    expect(answer).toMatchObject({ version: 'one' });
    expect(report.findings).toMatchObject([{ kind: 'process-dead', corrected: true }]);
  });

  it('reports a service that becomes unhealthy', async () => {
    const deployer = await open();
    await deployer.apply(world.desired(image('one'), 1));

    await ask('/sick');

    const report = await until(deployer, 'degraded', ({ health }) => health === 'Degraded');
    expect(report).toMatchObject({ revision: 1, refusal: { code: 'deploy.unhealthy' } });
  });

  it('reports a port somebody else has, and takes it when it is free', async () => {
    const thief = createServer();
    await new Promise<void>((resolve) => {
      thief.listen(world.port, '127.0.0.1', () => resolve());
    });
    const deployer = await open();

    await deployer.apply(world.desired(image('one'), 1));
    const taken = onlyReport(deployer);
    await new Promise<void>((resolve) => {
      thief.close(() => resolve());
    });
    const free = await until(deployer, 'free', ({ sync }) => sync === 'Synced');

    expect(taken).toMatchObject({
      sync: 'OutOfSync',
      health: 'Degraded',
      findings: [{ kind: 'port-taken' }],
    });
    expect(free).toMatchObject({ health: 'Healthy', findings: [{ kind: 'port-taken', corrected: true }] });
    expect(await ask()).toMatchObject({ version: 'one' });
  });
});

describe('drift', () => {
  const flipByte = (path: string): void => {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    chmodSync(path, 0o444);
  };
  const has = (report: DeployReport, kind: string, corrected: boolean): boolean =>
    report.findings.some((each) => each.kind === kind && each.corrected === corrected);

  it('of one flipped byte is seen and healed within seconds', async () => {
    const digest = image('one');
    const deployer = await open();
    await deployer.apply(world.desired(digest, 1));
    const began = performance.now();

    flipByte(join(root(digest), 'app/text.txt'));
    const report = await until(
      deployer,
      'healed',
      (each) => has(each, 'file-changed', true) && each.sync === 'Synced',
    );

    expect(performance.now() - began).toBeLessThan(5000);
    expect(report.findings[0]).toMatchObject({ kind: 'file-changed', path: 'app/text.txt', corrected: true });
    expect(readFileSync(join(root(digest), 'app/text.txt'), 'utf8')).toBe('text');
    expect(await ask()).toMatchObject({ text: 'text' });
  });

  it('is only reported where that is declared', async () => {
    const digest = image('one');
    const deployer = await open();
    await deployer.apply(world.desired(digest, 1, { spec: { drift: 'report' } }));

    flipByte(join(root(digest), 'app/text.txt'));
    chmodSync(join(root(digest), 'app'), 0o755);
    writeFileSync(join(root(digest), 'app/added.js'), 'evil');
    const report = await until(
      deployer,
      'reported',
      (each) => has(each, 'file-changed', false) && has(each, 'file-added', false),
    );

    expect(report).toMatchObject({ sync: 'OutOfSync', health: 'Healthy' });
    await delay(800);
    expect(has(onlyReport(deployer), 'file-changed', false)).toBe(true);
  });
});

describe('an agent that was killed', () => {
  it('starts again what ran, from disk, with the registry gone, and still refuses a replay', async () => {
    const digest = image('one');
    const first = await open();
    await first.apply(world.desired(digest, 3));
    await first.close();
    world.registry.blobs.clear();

    const second = await open();

    expect(onlyReport(second)).toMatchObject({ revision: 3, digest, sync: 'Synced', health: 'Healthy' });
    expect(await ask()).toMatchObject({ version: 'one' });
    await second.apply(world.desired(digest, 2));
    await second.apply(world.desired(image('two'), 2));
    expect(onlyReport(second)).toMatchObject({ revision: 3, digest, sync: 'Synced' });
    expect(await ask()).toMatchObject({ version: 'one' });
  });

  it('serves the last healthy revision when the desired one cannot run', async () => {
    const one = image('one');
    const first = await open();
    await first.apply(world.desired(one, 1));
    await first.apply(world.desired(image('two', 'process.exit(1)'), 2));
    await first.close();

    const second = await open();

    expect(onlyReport(second)).toMatchObject({
      revision: 2,
      digest: one,
      sync: 'OutOfSync',
      refusal: { code: 'deploy.start_failed' },
    });
    expect(await ask()).toMatchObject({ version: 'one' });
  });

  it('does not run files that were changed while it was away', async () => {
    const digest = image('one');
    const first = await open();
    await first.apply(world.desired(digest, 1));
    await first.close();
    chmodSync(join(root(digest), 'app/server.cjs'), 0o644);
    writeFileSync(join(root(digest), 'app/server.cjs'), server('evil'));

    await open();

    expect(await ask()).toMatchObject({ version: 'one' });
  });

  it('shares its directory with no other agent', async () => {
    await open();

    await expect(open()).rejects.toMatchObject({ code: 'deploy.locked' });
  });
});
