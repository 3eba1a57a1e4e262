import type { Keyring, Quorum } from '#keyring';
import type { Sys } from './ports.ts';

/** The server as a whole for tests, on a real keyring; `keyring` is asked when it is needed, because it comes later. */
export function testSys(
  keyring: () => Keyring,
  changes: Partial<Sys> = {},
): Sys & { readonly sealed: () => number } {
  let sealed = 0;
  let quorum: Quorum | undefined;
  return {
    facts: {
      clusterName: 'test',
      clusterId: 'test',
      version: '0.0.0',
      startedAt: 0,
      storageType: 'pglite',
      replicated: false,
      address: 'http://127.0.0.1:8200',
    },
    seal: () => {
      sealed += 1;
    },
    sealed: () => sealed,
    keyStatus: (scope) => keyring().keyStatus(scope),
    rotate: () => keyring().rotateAll({ kind: 'system', id: 'test' }),
    keyring: {
      status: () => keyring().status(),
      get rekey() {
        return keyring().rekey;
      },
      get rootQuorum() {
        quorum ??= keyring().quorum();
        return quorum;
      },
    },
    metrics: async () => '# TYPE a_total counter\na_total{kind="x"} 3\nb 1.5\n',
    hostInfo: () => ({ host: { hostname: 'test' } }),
    inFlight: () => ({}),
    ...changes,
  };
}
