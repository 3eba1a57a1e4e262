import type { Command } from '../command.ts';
import { login, whoami } from './account/login.ts';
import { personAdd, personList } from './account/person.ts';
import { policyList, policyPut } from './account/policy.ts';
import { tokenCreate, tokenList, tokenRevoke } from './account/token.ts';
import { agentAdd, agentRun } from './agent/agent.ts';
import { auditSearch } from './audit/search.ts';
import { auditTail } from './audit/tail.ts';
import { auditVerify } from './audit/verify.ts';
import { copy } from './copy/copy.ts';
import { envList, envSet, envShow } from './environment/env.ts';
import { envParity } from './environment/parity.ts';
import { envPromoteConfig } from './environment/promote-config.ts';
import { evidenceExport } from './evidence/export.ts';
import { ledgerVerify } from './evidence/ledger.ts';
import { trustRoot } from './evidence/trust-root.ts';
import { verify } from './evidence/verify.ts';
import { exec } from './exec/exec.ts';
import { authorityRotate, authorityShow } from './federation/authority.ts';
import {
  federationAdd,
  federationLint,
  federationList,
  federationRemove,
  federationShow,
} from './federation/federation.ts';
import { keyRotate } from './key/key.ts';
import { ledgerMonitor } from './ledger/monitor.ts';
import { approve, hold, promote, refuse, rollback, unhold } from './release/promote.ts';
import { status, trace, why } from './release/status.ts';
import { init } from './repository/init.ts';
import { repoAdd, repoList, repoPoll } from './repository/repo.ts';
import { revocationsList, revocationsRestore } from './revocation/revocations.ts';
import { revokeBuilder, revokeCertificate, revokeDigest, revokeIdentity } from './revocation/revoke.ts';
import { logs } from './run/logs.ts';
import { run } from './run/run.ts';
import { cancel, runs } from './run/runs.ts';
import { secretInventory } from './secret/inventory.ts';
import { secretFindings } from './secret/inventory-findings.ts';
import { secretGet, secretList, secretPut } from './secret/secret.ts';
import { completionCommand } from './server/completion.ts';
import { config } from './server/config.ts';
import { doctor } from './server/doctor.ts';
import { server } from './server/server.ts';
import { up } from './server/up.ts';
import { sigstoreVerifyBundle } from './sigstore/verify-bundle.ts';
import { secretExport } from './transfer/export.ts';
import { secretImport } from './transfer/import.ts';
import { trustExport } from './trust/export.ts';
import { trustInit, trustRotate } from './trust/roots.ts';
import { trustShow } from './trust/show.ts';
import { trustVerify } from './trust/verify.ts';
import { vaultCommands } from './vault/all.ts';

/** Every command, in the order of a first day. */
export const commands: readonly Command[] = [
  up,
  server,
  login,
  whoami,
  init,
  repoAdd,
  repoList,
  repoPoll,
  secretPut,
  secretGet,
  secretList,
  secretInventory,
  secretFindings,
  envList,
  envShow,
  envSet,
  envPromoteConfig,
  envParity,
  ...vaultCommands,
  exec,
  secretImport,
  secretExport,
  run,
  runs,
  logs,
  cancel,
  status,
  promote,
  approve,
  refuse,
  hold,
  unhold,
  rollback,
  why,
  trace,
  revokeDigest,
  revokeBuilder,
  revokeIdentity,
  revokeCertificate,
  revocationsList,
  revocationsRestore,
  verify,
  evidenceExport,
  copy,
  sigstoreVerifyBundle,
  trustRoot,
  trustInit,
  trustShow,
  trustRotate,
  trustExport,
  trustVerify,
  ledgerVerify,
  ledgerMonitor,
  auditSearch,
  auditTail,
  auditVerify,
  personAdd,
  personList,
  tokenCreate,
  tokenList,
  tokenRevoke,
  policyPut,
  policyList,
  agentAdd,
  agentRun,
  federationAdd,
  federationLint,
  federationList,
  federationShow,
  federationRemove,
  authorityShow,
  authorityRotate,
  keyRotate,
  doctor,
  config,
  completionCommand(() => commands),
];
