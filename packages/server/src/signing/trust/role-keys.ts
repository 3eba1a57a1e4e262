import { digestOf, Fault, type TufRoot, tufKey, tufKeyId } from '@sallyport/formats';
import type { Actor, Audit, AuditedTable, Clock, Db, Json } from '#platform';
import type { RoleSigner, RoleSigners } from './roles.ts';
import { tufStore as store } from './store.pg.ts';
import type { TufKeyPair } from './store.ts';

export interface RoleKeysDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  /** The keys with this number, made at their first use. Never asked inside a transaction. */
  readonly targetsSigner: (number: number) => Promise<RoleSigner>;
  readonly onlineSigner: (number: number) => Promise<RoleSigner>;
}

/** Far more than anybody replaces; bounds the search for the pair of a root. */
const maxPairs = 1000;

/** The server's own keys, pair after pair. Which one signs is for the root to say, and not for this. */
export function createRoleKeys(deps: RoleKeysDeps) {
  const { db, audit, clock } = deps;

  async function pair(number: number): Promise<RoleSigners> {
    return { targets: await deps.targetsSigner(number), online: await deps.onlineSigner(number) };
  }

  async function newestNumber(): Promise<number> {
    const [newest] = await db.read((tx) => store.listKeys(tx));
    return newest?.number ?? 1;
  }

  async function find(root: TufRoot): Promise<RoleSigners | undefined> {
    for (let number = await newestNumber(); number >= 1; number -= 1) {
      const signers = await pair(number);
      if (isNamed(root, signers)) return signers;
    }
    return undefined;
  }

  return {
    /** The pair that the next root should name. */
    newest: async (): Promise<RoleSigners> => pair(await newestNumber()),
    /** The pair with which we can sign under `root`. Throws Fault `signing.tuf_keys` when there is none. */
    async of(root: TufRoot): Promise<RoleSigners> {
      const found = await find(root);
      if (found !== undefined) return found;
      throw new Fault(
        'invalid',
        'signing.tuf_keys',
        "expected a root in which one signature by the server's own keys makes each other role, got another",
        { hint: 'sally trust rotate makes one with the keys the server has now' },
      );
    },
    /** Makes another pair, unless the newest one still waits for a root that names it. */
    async add(root: TufRoot | undefined, actor: Pick<Actor, 'kind' | 'id'>): Promise<void> {
      const number = (await newestNumber()) + 1;
      if (root === undefined || !isNamed(root, await pair(number - 1))) return;
      if (number > maxPairs) {
        throw new Fault('exhausted', 'signing.tuf_keys_full', `expected at most ${maxPairs} pairs of keys`);
      }
      const { targets, online } = await pair(number);
      const made: TufKeyPair = {
        number,
        keys: `${digestOf(targets.publicKeySpki)} ${digestOf(online.publicKeySpki)}`,
        madeAt: clock.now(),
      };
      await db.write(async (tx) => {
        await store.lock(tx);
        const [latest] = await store.listKeys(tx);
        // Another process made it meanwhile, of the same keys.
        if ((latest?.number ?? 1) >= number) return;
        await store.insertKeys(tx, made);
        await audit.record(tx, {
          type: 'signing.tuf.keys',
          actor: { kind: actor.kind, id: actor.id },
          resource: resourceOf(made),
          state: stateOf(made),
        });
      });
    },
  };
}

export function roleKeysAudited(): AuditedTable {
  return {
    kind: 'tuf-keys',
    states: async (tx) =>
      (await store.listKeys(tx)).map((each) => [resourceOf(each), stateOf(each)] as const),
  };
}

function isNamed(root: TufRoot, { targets, online }: RoleSigners): boolean {
  const names = (role: 'targets' | 'snapshot' | 'timestamp', signer: RoleSigner): boolean => {
    const { keyids, threshold } = root.roles[role];
    return threshold === 1 && keyids.includes(tufKeyId(tufKey(signer.publicKeySpki)));
  };
  return names('targets', targets) && names('snapshot', online) && names('timestamp', online);
}

const resourceOf = ({ number }: TufKeyPair): string => `tuf-keys/${number}`;

function stateOf({ number, keys, madeAt }: TufKeyPair): Json {
  return { number, keys, madeAt: madeAt.toISOString() };
}
