import type { ServerFacts, Sys } from '#vault';
import type { Ground } from '../contexts.ts';
import { version } from '../version.ts';
import { hostInfo, processMetrics } from './host.ts';

const operator = { kind: 'system', id: 'operator' } as const;

export function factsOf({ config, db }: Pick<Ground, 'config' | 'db'>): ServerFacts {
  return {
    clusterName: config.installation,
    clusterId: config.installation,
    version,
    startedAt: Date.now(),
    storageType: db.engine,
    replicated: db.engine === 'postgres',
    address: config.publicUrl,
  };
}

/** What `sys/` needs of the server as a whole. */
export function createSys({ keyring }: Ground, facts: ServerFacts, seal: () => void): Sys {
  const rootQuorum = keyring.quorum();
  return {
    facts,
    seal,
    keyStatus: async (scope) => await keyring.keyStatus(scope),
    rotate: async () => {
      await keyring.rotateAll(operator);
    },
    keyring: { status: () => keyring.status(), rekey: keyring.rekey, rootQuorum },
    metrics: async () => processMetrics(facts.startedAt),
    hostInfo,
    inFlight: () => ({}),
  };
}
