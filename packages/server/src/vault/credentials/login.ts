import { Fault } from '@sallyport/formats';

/**
 * Who logged in, as plain data. Policies, TTLs and address bounds are parameters of the role's token, equal for every
 * method, and so the caller's to add.
 */
export interface Login {
  /** The name by which identity knows the holder on this mount. */
  readonly alias: { readonly name: string; readonly metadata: Readonly<Record<string, string>> };
  /** What goes into the token, the audit record and templated policies. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names of groups at the issuer, for group aliases; without doubles. */
  readonly groups: readonly string[];
  readonly displayName: string;
}

/**
 * A refused login that Vault answers with status 400: JWT, userpass and certificates. The message may go to the caller:
 * it names the claim that failed, never what the role would have accepted.
 */
export function refusedLogin(reason: string, message: string, cause?: unknown): Fault {
  return new Fault('invalid', `vault.${reason}`, message, { cause });
}

/** A wrong setting of a config or a role, found when it is written. */
export function invalidSetting(message: string, cause?: unknown): Fault {
  return new Fault('invalid', 'vault.setting', message, { cause });
}
