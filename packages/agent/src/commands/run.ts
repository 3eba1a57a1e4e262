import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault, fromBase64, SecretBytes } from '@sallyport/formats';
import { createFailover, createTransport } from '@sallyport/sdk';
import { createDeployer, type Outside } from '../deploy/index.ts';
import { createLockIndex, type Egress, type PackagePolicy } from '../egress/index.ts';
import type { Log } from '../sandbox/index.ts';
import { runBuilds } from '../session/build-loop.ts';
import { pullDesired, pushReports } from '../session/deploy-loop.ts';
import { greet } from '../session/greet.ts';
import { clock, createParts } from '../session/parts.ts';
import { createRegistryClient } from '../session/registry-client.ts';
import { createServerApi, type ServerApi } from '../session/server-api.ts';
import { version } from '../version.ts';
import { readFlags, required } from './arguments.ts';

/** The agent itself: builds and deploys for one server, at one or more addresses, until it is told to stop. */
export async function runAgent(
  argv: readonly string[],
  log: Log,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { values, many } = readFlags(argv, ['token-file', 'data', 'name', 'environments'], [], ['address']);
  const addresses = many('address');
  required(addresses[0], 'address');
  const directory = resolve(required(values.data, 'data'));
  const token = (await readFile(required(values['token-file'], 'token-file'), 'utf8')).trim();
  const environments = (values.environments ?? '*').split(',');
  await mkdir(directory, { recursive: true, mode: 0o700 });

  const transport = createFailover(addresses.map((address) => createTransport({ address, token })));
  const registry = createRegistryClient(transport);
  const parts = await createParts(directory, log, env, registry);
  const api = createServerApi(transport, environments);
  const stop = stopSignal();
  const hello = {
    name: values.name ?? 'local',
    version,
    isolation: parts.sandbox.isolation,
    environments: [],
  };
  const pinned = await greet(api, hello, join(directory, 'trust-root.json'), log, stop);
  const deployer = createDeployer({
    sandbox: parts.sandbox,
    directory: join(directory, 'deploy'),
    images: registry,
    trustRoot: pinned.current,
    outside: outside(api, parts.egress, join(directory, 'proxy')),
    clock,
    log,
  });
  await deployer.open();
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  await Promise.all([
    runBuilds({ api, builder: parts.builder, registry, log }, stop),
    pullDesired({ api, deployer, log }, stop),
    pushReports({ api, deployer, log }, stop),
  ]);
  await deployer.close();
  parts.egress.close();
}

/** A running service installs nothing. */
const noPackages: PackagePolicy = { lock: createLockIndex([]), onUnverified: 'fail' };

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => controller.abort(new Fault('unavailable', 'agent.stopping', 'the agent stops')));
  }
  return controller.signal;
}

/** What services need of the rest of the agent: their secrets, from memory to memory, and their way out. */
function outside(api: ServerApi, egress: Egress, directory: string): Outside {
  return {
    async secrets(desired) {
      const granted = await api.deploymentSecrets(desired);
      return granted.map(({ name, delivery, value }) => ({
        name,
        delivery,
        value: SecretBytes.from(fromBase64(value)),
      }));
    },
    async openProxy(id, allow) {
      const job = egress.openJob({ trust: 'trusted', policy: noPackages });
      const place = join(directory, id.slice(0, 40));
      await mkdir(place, { recursive: true, mode: 0o700 });
      const step = await job.openStep({ name: 'service', directory: place, mirror: false, allow });
      if (step.proxySocket === undefined) {
        throw new Fault('internal', 'agent.no_proxy', 'expected a proxy for the allowed hosts, got none');
      }
      return { socket: step.proxySocket, close: () => job.close() };
    },
  };
}
