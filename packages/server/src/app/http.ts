import type { Identity } from '#identity';
import { identityRoutes } from '#identity';
import type { Journal } from '#journal';
import { type Keyring, keyringRoutes } from '#keyring';
import { type Ledger, ledgerRoutes, type Witness, type Witnessing, witnessRoutes } from '#ledger';
import { type Pipeline, pipelineRoutes } from '#pipeline';
import type { Audit, AuditedTable, Clock, Db, Http, Routes } from '#platform';
import { type AccessTokens, type Registry, registryRoutes } from '#registry';
import { type Release, releaseRoutes } from '#release';
import { type Secrets, secretsRoutes } from '#secrets';
import {
  authorityRoutes,
  federationRoutes,
  type Rekor,
  type RekorWriters,
  type Revocations,
  rekorRoutes,
  revocationRoutes,
  type Signing,
  signingRoutes,
  type Timestamps,
  type Trust,
  timestampRoutes,
  trustRoutes,
} from '#signing';
import { auditRoutes, inventoryRoutes, type Vault } from '#vault';
import { agentRoutes } from './agents.ts';
import type { Certificates } from './certificates.ts';

export interface Contexts {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly keyring: Keyring;
  readonly journal: Journal;
  readonly vault: Vault;
  readonly identity: Identity;
  readonly secrets: Secrets;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly registryTokens: AccessTokens;
  readonly signing: Signing;
  readonly timestamps: Timestamps;
  readonly trust: Trust;
  readonly rekor: Rekor;
  readonly rekorWriters: RekorWriters;
  readonly witnessing: Witnessing;
  readonly witness: Witness;
  readonly revocations: Revocations;
  readonly certificates: Certificates;
  readonly pipeline: Pipeline;
  readonly release: Release;
  readonly audited: () => readonly AuditedTable[];
}

/** Everything the server answers to, in one place. */
export function mountRoutes(http: Http, contexts: Contexts): void {
  const {
    keyring,
    vault,
    identity,
    secrets,
    ledger,
    registry,
    signing,
    revocations,
    certificates,
    pipeline,
    release,
    audited,
  } = contexts;
  keyringRoutes(keyring)(http);
  identityRoutes(identity)(http);
  secretsRoutes(secrets)(http);
  ledgerRoutes(ledger, audited, contexts.witnessing.published)(http);
  witnessRoutes(contexts.witness)(http);
  registryRoutes(registry, { authorize: identity.authorize, tokens: contexts.registryTokens })(http);
  signingRoutes(signing)(http);
  timestampRoutes(contexts.timestamps)(http);
  trustRoutes(contexts.trust)(http);
  rekorRoutes(contexts.rekor, contexts.rekorWriters)(http);
  revocationRoutes(revocations)(http);
  federationRoutes(certificates.federation)(http);
  authorityRoutes(certificates.authority, certificates.federation)(http);
  pipelineRoutes(pipeline)(http);
  releaseRoutes(release)(http);
  agentRoutes(contexts)(http);
  auditOf(contexts)(http);
  inventoryRoutes({ ...vault, authorize: identity.authorize })(http);
}

function auditOf({ db, journal, vault, ledger, audited }: Contexts): Routes {
  return auditRoutes({
    journal,
    hash: vault.audit.hash,
    steadyMs: () => performance.now(),
    verifyLedger: (signal) => ledger.verify(audited(), () => signal.throwIfAborted()),
    recordValueSearch: ({ kind, id }) =>
      db.write((tx) =>
        ledger.record(tx, { type: 'audit.value.searched', actor: { kind, id }, resource: 'audit/search' }),
      ),
  });
}
