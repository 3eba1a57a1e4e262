/** What is audited of one request and its answer, everything raw: the formatter of each device hashes it. */
export interface Exchange {
  /** When the request came and when its answer was ready, in milliseconds since 1970. */
  readonly requestTime: number;
  readonly responseTime: number;
  /** The token as the client sent it, also when it is none of ours. */
  readonly clientToken: string | undefined;
  /** Whose token it is; undefined when it is nobody's. */
  readonly caller: Caller | undefined;
  readonly policyResults: PolicyResults | undefined;
  /** Of a token with limited uses, after this one. */
  readonly remainingUses?: number | undefined;
  readonly request: ExchangeRequest;
  /** Undefined when the request was refused before anything answered it. */
  readonly response: ExchangeResponse | undefined;
  /** The refusal, in clear as in Vault: it must not repeat a value of the request. */
  readonly error?: string | undefined;
}

/**
 * Who a token belongs to. One object is made per token and again whenever a fact changes, and it is never changed:
 * its text, and the hash of its token, are remembered as long as the object lives. It holds no token.
 */
export interface Caller {
  readonly accessor: string;
  readonly displayName: string;
  readonly policies: readonly string[];
  readonly tokenPolicies: readonly string[];
  readonly identityPolicies: readonly string[];
  readonly noDefaultPolicy: boolean;
  /** In clear, as in Vault: what the login method said about the caller. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly entityId: string;
  readonly tokenType: 'service' | 'batch';
  readonly ttlSeconds: number;
  /** Milliseconds since 1970. */
  readonly issueTime: number;
}

export interface PolicyResults {
  readonly allowed: boolean;
  readonly granting: ReadonlyArray<{ readonly name: string; readonly type: string }>;
}

/** Never changed once made: its text is remembered as long as the object lives. */
export interface Mount {
  /** With the slash at its end: `secret/`, `auth/approle/`. */
  readonly point: string;
  readonly type: string;
  readonly accessor: string;
  readonly class: 'secret' | 'auth';
  /** `audit_non_hmac_request_keys` and `audit_non_hmac_response_keys` of the mount. */
  readonly clearRequestKeys: ReadonlySet<string>;
  readonly clearResponseKeys: ReadonlySet<string>;
}

export interface ExchangeRequest {
  readonly id: string;
  /** The entity, or what stands for one. */
  readonly clientId?: string | undefined;
  readonly operation: string;
  /** Undefined when nothing is mounted there. */
  readonly mount: Mount | undefined;
  readonly path: string;
  /**
   * JSON values, and inside them `RawJson`, `SecretBytes`, `Uint8Array`. In clear stay the names of members, and what
   * the mount names.
   */
  readonly data?: unknown;
  readonly policyOverride?: boolean;
  /** Names in lower case, as Node gives them. Only those on the allowlist of `sys/config/auditing` are shown. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly wrapTtlSeconds?: number | undefined;
  readonly clientCertificateSerial?: string | undefined;
}

export interface ExchangeResponse {
  readonly data?: unknown;
  /** The token this answer gives out. */
  readonly auth?: { readonly token: string; readonly caller: Caller; readonly numUses: number } | undefined;
  readonly leaseId?: string | undefined;
  readonly wrapInfo?: WrapInfo | undefined;
  readonly warnings?: readonly string[] | undefined;
  readonly redirect?: string;
}

interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  readonly ttlSeconds: number;
  /** Milliseconds since 1970. */
  readonly creationTime: number;
  readonly creationPath: string;
  readonly wrappedAccessor?: string;
}
