import {
  digestOf,
  Fault,
  parseTrustRoot,
  parseTuf,
  type SigstoreServices,
  type SigstoreTrust,
  type TufRole,
  type TufRoot,
  toSigstoreSigningConfig,
  toSigstoreTrustedRoot,
  tufRoles,
  utf8,
  verifyNextRoot,
} from '@sallyport/formats';
import type { Actor, AuditedTable, Json, Tx } from '#platform';
import type { EvidenceLog } from '../evidence.ts';
import { createRoleKeys, type RoleKeysDeps, roleKeysAudited } from './role-keys.ts';
import { nextFiles, type RoleSigners } from './roles.ts';
import { tufStore as store } from './store.pg.ts';
import type { TufStoredFile } from './store.ts';

/** What a part of the installation wants to be believed for, and where clients reach it. */
export interface TrustMaterial {
  readonly trust: Partial<SigstoreTrust>;
  readonly services: Partial<SigstoreServices>;
}

export interface TrustDeps extends RoleKeysDeps {
  readonly ledger: Pick<EvidenceLog, 'agrees'>;
  readonly installation: string;
  /** Our own signed document, whose logs are named. */
  readonly trustRoot: () => Promise<string>;
  /** One per part: timestamps, certificates, logs. Each gives the same until something in it changes. */
  readonly material: ReadonlyArray<() => Promise<TrustMaterial>>;
}

export interface TrustStatus {
  readonly installation: string;
  /** SubjectPublicKeyInfo of the newest keys that the server can sign roles with: what the next root should name. */
  readonly targetsKey: Uint8Array;
  readonly onlineKey: Uint8Array;
  /** Undefined until a first root was given. */
  readonly root: TufRoot | undefined;
  readonly roles: ReadonlyArray<{
    readonly role: TufRole;
    readonly version: number;
    readonly expiresAt: Date;
  }>;
}

/** Whom to believe, for the clients of Sigstore: as plain documents, and as a TUF repository. */
export interface Trust {
  trustedRoot(): Promise<string>;
  signingConfig(): Promise<string>;
  /** A file of the repository by its path; undefined where there is none. */
  file(path: string): Promise<Uint8Array | undefined>;
  status(): Promise<TrustStatus>;
  /**
   * Takes the next root, signed outside, and writes all that follows from it in the same transaction. Throws Fault
   * `formats.tuf_…` or `signing.tuf_…` for one that clients would refuse, or under which we could not sign.
   */
  acceptRoot(actor: Pick<Actor, 'kind' | 'id'>, document: Uint8Array): Promise<TrustStatus>;
  /** Makes new keys for the next root to name, unless the newest ones wait for that already. */
  addKeys(actor: Pick<Actor, 'kind' | 'id'>): Promise<TrustStatus>;
  /** Writes what is missing or near its end; how many files it wrote. Call it every minute, on any replica. */
  renew(): Promise<number>;
}

const minRootDays = 7;

export function createTrust(deps: TrustDeps): Trust {
  const { db, audit, clock, ledger, installation } = deps;
  const keys = createRoleKeys(deps);

  async function documents(): Promise<{ readonly trustedRoot: string; readonly signingConfig: string }> {
    const parts: TrustMaterial[] = [];
    for (const part of deps.material) parts.push(await part());
    const trusted = <K extends keyof SigstoreTrust>(kind: K) =>
      parts.flatMap(({ trust }) => [...(trust[kind] ?? [])]) as unknown as SigstoreTrust[K];
    const served = (kind: keyof SigstoreServices) =>
      parts.flatMap(({ services }) => [...(services[kind] ?? [])]);
    return {
      trustedRoot: toSigstoreTrustedRoot(parseTrustRoot(await deps.trustRoot()), {
        tlogs: trusted('tlogs'),
        certificateAuthorities: trusted('certificateAuthorities'),
        ctlogs: trusted('ctlogs'),
        timestampAuthorities: trusted('timestampAuthorities'),
      }),
      signingConfig: toSigstoreSigningConfig(
        {
          caUrls: served('caUrls'),
          oidcUrls: served('oidcUrls'),
          rekorTlogUrls: served('rekorTlogUrls'),
          tsaUrls: served('tsaUrls'),
        },
        installation,
      ),
    };
  }

  async function contents(): Promise<ReadonlyMap<string, Uint8Array>> {
    const { trustedRoot, signingConfig } = await documents();
    return new Map([
      ['signing_config.v0.2.json', utf8(signingConfig)],
      ['trusted_root.json', utf8(trustedRoot)],
    ]);
  }

  /** The newest file of a role, as it was recorded: one that somebody else put there is not built upon. */
  async function newest(tx: Tx, role: TufRole): Promise<TufStoredFile | undefined> {
    const file = await store.newest(tx, role);
    if (file === undefined || (await ledger.agrees(tx, resourceOf(file), stateOf(file)))) return file;
    throw new Fault(
      'integrity',
      'signing.tuf_unrecorded',
      `expected ${file.path} to be as it was recorded, got another`,
      { hint: 'it was changed past the server: run "sally ledger verify"' },
    );
  }

  async function put(tx: Tx, file: TufStoredFile, actor: Pick<Actor, 'kind' | 'id'>): Promise<boolean> {
    const before = file.role === 'target' ? await store.find(tx, file.path) : undefined;
    // A target that stands already is the same by its name, and its first entry in the log is enough.
    if (before !== undefined && stateOf(before).digest === stateOf(file).digest) return false;
    await store.put(tx, file);
    await audit.record(tx, {
      type: 'signing.tuf.written',
      actor,
      resource: resourceOf(file),
      state: stateOf(file),
    });
    return true;
  }

  async function write(tx: Tx, root: TufRoot, about: Contents, actor = system): Promise<number> {
    const current = {
      root,
      targets: await newest(tx, 'targets'),
      snapshot: await newest(tx, 'snapshot'),
      timestamp: await newest(tx, 'timestamp'),
    };
    let count = 0;
    for (const file of nextFiles(current, about.contents, about.signers, clock.now()))
      if (await put(tx, file, actor)) count += 1;
    return count;
  }

  async function status(): Promise<TrustStatus> {
    const { targets, online } = await keys.newest();
    return db.read(async (tx) => {
      const files: TufStoredFile[] = [];
      for (const role of tufRoles) {
        const file = await store.newest(tx, role);
        if (file !== undefined) files.push(file);
      }
      const root = files.find(({ role }) => role === 'root');
      return {
        installation,
        targetsKey: targets.publicKeySpki,
        onlineKey: online.publicKeySpki,
        root: root && parseTuf('root', root.bytes).signed,
        roles: files.flatMap(({ role, version, expiresAt }) =>
          role === 'target' || expiresAt === undefined ? [] : [{ role, version, expiresAt }],
        ),
      };
    });
  }

  async function currentRoot(): Promise<TufRoot | undefined> {
    const file = await db.read((tx) => newest(tx, 'root'));
    return file && parseTuf('root', file.bytes).signed;
  }

  return {
    trustedRoot: async () => (await documents()).trustedRoot,
    signingConfig: async () => (await documents()).signingConfig,
    file: (path) =>
      db.read(async (tx) => {
        const file = path === 'root.json' ? await store.newest(tx, 'root') : await store.find(tx, path);
        return file?.bytes;
      }),
    status,
    acceptRoot: async (actor, document) => {
      const next = parseTuf('root', document);
      // Keys and documents are fetched before: inside of the transaction they would wait for one another.
      const about = { signers: await keys.of(next.signed), contents: await contents() };
      requireLasting(next.signed, clock.now());
      await db.write(async (tx) => {
        await store.lock(tx);
        const current = await newest(tx, 'root');
        verifyNextRoot(current && parseTuf('root', current.bytes).signed, next);
        const { version, expires } = next.signed;
        const file: TufStoredFile = {
          path: `${version}.root.json`,
          role: 'root',
          version,
          bytes: document,
          expiresAt: new Date(expires),
          writtenAt: clock.now(),
        };
        await put(tx, file, actor);
        await write(tx, next.signed, about, actor);
      });
      return status();
    },
    addKeys: async (actor) => {
      await keys.add(await currentRoot(), actor);
      return status();
    },
    renew: async () => {
      const root = await currentRoot();
      if (root === undefined) return 0;
      const about = { signers: await keys.of(root), contents: await contents() };
      return db.write(async (tx) => {
        await store.lock(tx);
        const now = await newest(tx, 'root');
        // A root that came meanwhile was written with everything that follows from it.
        return now?.version === root.version ? write(tx, root, about) : 0;
      });
    },
  };
}

interface Contents {
  readonly signers: RoleSigners;
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

const system: Pick<Actor, 'kind' | 'id'> = { kind: 'system', id: 'system' };

/** Files of the repository as the ledger last heard of them. */
export function trustAudited(): AuditedTable[] {
  return [
    {
      kind: 'tuf',
      states: async (tx) => (await store.list(tx)).map((file) => [resourceOf(file), stateOf(file)] as const),
    },
    roleKeysAudited(),
  ];
}

const resourceOf = ({ path }: TufStoredFile): string => `tuf/${path}`;

function stateOf({ role, version, bytes, expiresAt }: TufStoredFile) {
  return {
    role,
    version,
    digest: digestOf(bytes),
    expires: expiresAt?.toISOString() ?? null,
  } satisfies Json;
}

/** One that ends at once would leave clients without a current repository. */
function requireLasting(root: TufRoot, now: Date): void {
  if (Date.parse(root.expires) - now.getTime() >= minRootDays * 86_400_000) return;
  throw new Fault(
    'invalid',
    'signing.tuf_root_ends',
    `expected a root that holds for at least ${minRootDays} days, got one until ${root.expires}`,
  );
}
