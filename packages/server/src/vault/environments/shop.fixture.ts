import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { newMount } from '../mounts/new-mount.ts';
import { mountsOf, writeMounts } from '../mounts/table.ts';
import { testSys } from '../sys/server.fixture.ts';
import { changeSettings, type EnvironmentSettings } from './settings.ts';

export interface Shop extends TestVault {
  /** Changes settings of an environment of the shop, past any route. */
  set(environment: string, change: Partial<EnvironmentSettings>): Promise<void>;
  mountId(path: string): string;
  /** A token with a policy of that text, for these environments. */
  tokenFor(policy: string, environments: readonly string[]): Promise<string>;
}

/** A vault with three environments of one project: `dev/`, `stage/` and `prod/` with versions, and `<name>1/` without. */
export async function openShop(): Promise<Shop> {
  const vault: TestVault = await openVault({ sys: testSys(() => vault.keyring) });
  await vault.journal.run((turn) => {
    const added = ['dev', 'stage', 'prod'].flatMap((name) =>
      (['2', '1'] as const).map((version) =>
        newMount({
          path: version === '2' ? `${name}/` : `${name}1/`,
          kind: 'secret',
          type: 'kv',
          environment: `shop/${name}`,
          options: { version },
        }),
      ),
    );
    writeMounts(turn, [...mountsOf(turn).mounts, ...added]);
    return { answer: undefined, audit: [] };
  });
  let policies = 0;
  return {
    ...vault,
    mountId: (path) => vault.journal.peek((turn) => mountsOf(turn).at(path)?.id ?? ''),
    set: (environment, change) =>
      vault.journal.run((turn) => {
        changeSettings(turn, `shop/${environment}`, change);
        return { answer: undefined, audit: [] };
      }),
    async tokenFor(policy, environments) {
      policies += 1;
      const name = `test-${policies}`;
      await vault.request('PUT', `sys/policies/acl/${name}`, { body: { policy } });
      const { body } = await vault.request('POST', 'auth/token/create', {
        body: { policies: [name], environments },
      });
      return body.auth.client_token;
    },
  };
}
