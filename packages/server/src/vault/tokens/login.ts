/** What a login method found out, for the core to make a token of. Seconds for all times. */
export interface NewLogin {
  /** `approle`, `userpass-ada`: how audit and lookups name the caller. */
  readonly displayName: string;
  readonly policies: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Who this is to the method; gives or finds the entity. Absent: the token has no entity. */
  readonly alias?: { readonly name: string; readonly metadata?: Readonly<Record<string, string>> };
  /** Names of external groups the method vouches for. */
  readonly groups?: readonly string[];
  readonly limits: TokenLimits;
  /** Where another environment than the mount's is meant. */
  readonly environments?: readonly string[];
  readonly role?: string;
}

/** The `token_*` settings of a role. */
export interface TokenLimits {
  readonly ttl: number;
  readonly maxTtl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly numUses: number;
  readonly boundCidrs: readonly string[];
  readonly noDefaultPolicy: boolean;
  /** None: that of the mount. */
  readonly environments: readonly string[];
  readonly type: 'default' | 'service' | 'batch' | 'default-service' | 'default-batch';
}
