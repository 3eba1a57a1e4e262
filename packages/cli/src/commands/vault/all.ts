import type { Command } from '../../command.ts';
import { operatorGenerateRoot, operatorRekey } from './ceremony.ts';
import { kvDelete, kvDestroy, kvUndelete } from './kv-delete.ts';
import { kvGet, kvList, kvMetadata } from './kv-read.ts';
import { kvPatch, kvPut } from './kv-write.ts';
import { leaseLookup, leaseRenew, leaseRevoke } from './lease.ts';
import { vaultLogin, vaultLogout } from './login.ts';
import { mountCommands } from './mount.ts';
import { operatorInit, operatorKeyStatus, operatorRotate, operatorSeal, operatorUnseal } from './operator.ts';
import { aclDelete, aclList, aclRead, aclWrite } from './policy.ts';
import { vaultDelete, vaultGet, vaultList, vaultPut } from './raw.ts';
import { vaultStatus } from './status.ts';
import { tokenEnd, tokenLookup, tokenMake, tokenRenew } from './token.ts';
import { transitDecrypt, transitEncrypt, transitSign, transitVerify } from './transit.ts';
import { vaultUnwrap, vaultWrap } from './wrapping.ts';

/** The secrets store, in the order of a first day with it. */
export const vaultCommands: readonly Command[] = [
  vaultStatus,
  vaultLogin,
  vaultLogout,
  kvPut,
  kvGet,
  kvPatch,
  kvList,
  kvMetadata,
  kvDelete,
  kvUndelete,
  kvDestroy,
  aclWrite,
  aclRead,
  aclList,
  aclDelete,
  tokenMake,
  tokenLookup,
  tokenRenew,
  tokenEnd,
  ...mountCommands,
  vaultWrap,
  vaultUnwrap,
  leaseLookup,
  leaseRenew,
  leaseRevoke,
  transitEncrypt,
  transitDecrypt,
  transitSign,
  transitVerify,
  operatorInit,
  operatorUnseal,
  operatorSeal,
  operatorRekey,
  operatorGenerateRoot,
  operatorRotate,
  operatorKeyStatus,
  vaultGet,
  vaultPut,
  vaultList,
  vaultDelete,
];
