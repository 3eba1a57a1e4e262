import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { DeployReport, DesiredState } from '@sallyport/contract';
import { Fault, type TrustRoot } from '@sallyport/formats';
import type { Clock, Log, Sandbox } from '../sandbox/index.ts';
import { createReleases, type ImageSource } from './release/releases.ts';
import { createRevocationKeeper } from './revocations.ts';
import { createService, type Service } from './service.ts';
import { createServing, type Outside } from './serving.ts';
import { createStateStore } from './state.ts';

export interface DeployerDeps {
  readonly sandbox: Sandbox;
  /** Of the agent's own: states below `state`, unpacked images below `releases`. */
  readonly directory: string;
  readonly images: ImageSource;
  /** The pinned trust root; read at each use, as it may be renewed. */
  readonly trustRoot: () => TrustRoot;
  readonly outside: Outside;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs the services of this agent's environments as their signed desired states say. */
export interface Deployer {
  /** Takes the directory for this process, starts again what ran before, and begins to watch. */
  open(): Promise<void>;
  /** Takes the newest revocation list; what runs is judged by it at once. Throws for one that is older or not genuine. */
  takeRevocations(bundle: string): Promise<void>;
  /** Resolves when the state was acted on; whether it runs is in the report. Never throws for a bad one. */
  apply(desired: DesiredState): Promise<void>;
  reports(): readonly DeployReport[];
  /** Stops all services in order. */
  close(): Promise<void>;
}

const tickMilliseconds = 500;

export function createDeployer(deps: DeployerDeps): Deployer {
  const { log } = deps;
  const state = createStateStore(join(deps.directory, 'state'));
  const revocations = createRevocationKeeper({
    file: join(deps.directory, 'revocations.json'),
    trustRoot: deps.trustRoot,
    clock: deps.clock,
  });
  const services = new Map<string, Service>();
  let lock: Server | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function serviceOf({
    project,
    environment,
    service,
  }: Pick<DesiredState, 'project' | 'environment' | 'service'>): Service {
    const key = `${project}/${environment}/${service}`;
    const known = services.get(key);
    if (known !== undefined) return known;
    const { sandbox, images, trustRoot, outside, clock } = deps;
    // A directory of its own: environments share no path, and what one mends is not what another runs from.
    const releases = createReleases({
      directory: join(deps.directory, 'releases', key.replaceAll('/', '.')),
      images,
    });
    const serving = createServing({ sandbox, releases, outside, log });
    const made = createService(
      { project, environment, service },
      { serving, state, revocations, trustRoot, clock, log },
    );
    services.set(key, made);
    return made;
  }

  function schedule(): void {
    timer = setTimeout(() => {
      void tick().finally(() => {
        if (!closed) schedule();
      });
    }, tickMilliseconds);
  }

  async function tick(): Promise<void> {
    const ticks = [...services.values()].map(async (service) => {
      try {
        await service.tick();
      } catch (error) {
        log.error({ error: String(error) }, 'a service could not be looked at');
      }
    });
    await Promise.all(ticks);
  }

  return {
    async open() {
      lock = await takeDirectory(deps.directory);
      await revocations.open();
      const states = await state.list();
      // Instances of an earlier agent ended with it (their sandboxes die with their parent), so none is doubled.
      await Promise.all(states.map(async (found) => await serviceOf(found.desired).recover(found)));
      schedule();
    },
    takeRevocations: revocations.take,
    async apply(desired) {
      await serviceOf(desired).apply(desired);
    },
    reports: () => [...services.values()].map((service) => service.report()),
    async close() {
      closed = true;
      clearTimeout(timer);
      await Promise.all([...services.values()].map(async (service) => await service.stop()));
      lock?.close();
    },
  };
}

/**
 * One agent per directory, or two would run everything twice. An abstract socket is a lock that the kernel releases
 * with the process, however that ends.
 */
async function takeDirectory(directory: string): Promise<Server> {
  const name = `\0sallyport-deploy-${createHash('sha256').update(directory).digest('hex').slice(0, 32)}`;
  return await new Promise<Server>((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EADDRINUSE') return reject(cause);
      reject(
        new Fault('conflict', 'deploy.locked', `another agent deploys from "${directory}"`, {
          cause,
          hint: 'stop it, or give this one a directory of its own',
        }),
      );
    });
    server.listen({ path: name }, () => {
      server.unref();
      resolve(server);
    });
  });
}
