import { path, type Transport } from './transport.ts';

export interface Principal {
  readonly id: string;
  readonly kind: 'person' | 'workload' | 'agent';
  readonly name: string;
  readonly emails: readonly string[];
  readonly groups: readonly string[];
  readonly policies: readonly string[];
  readonly disabled: boolean;
  readonly createdAt: string;
}

export type Me = Pick<Principal, 'id' | 'name' | 'groups' | 'policies'>;

/** The only answer that carries a token; the server does not know it afterwards. */
export interface IssuedToken {
  readonly accessor: string;
  readonly token: string;
  readonly expiresAt: string;
}

export interface TokenView {
  readonly accessor: string;
  readonly principalId: string;
  readonly policies: readonly string[];
  readonly description: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt?: string;
  readonly lastUsedAt?: string;
}

export interface NewToken {
  readonly ttlSeconds: number;
  readonly description?: string;
  /** Fewer than the principal has; default all of them. */
  readonly policies?: readonly string[];
}

export interface Policy {
  readonly name: string;
  readonly rules: ReadonlyArray<{
    readonly path: string;
    readonly capabilities: readonly string[];
    readonly effect: string;
  }>;
}

export interface IdentityClient {
  /** Exchanges the one-time token of the first start for the first administrator. */
  login(body: {
    readonly token: string;
    readonly name: string;
    readonly email: string;
  }): Promise<{ readonly principal: Principal; readonly issued: IssuedToken }>;
  me(): Promise<Me>;
  principals(): Promise<readonly Principal[]>;
  addPerson(body: {
    readonly name: string;
    readonly emails: readonly string[];
    readonly groups: readonly string[];
    readonly policies: readonly string[];
  }): Promise<Principal>;
  addWorkload(body: {
    readonly kind: 'workload' | 'agent';
    readonly name: string;
    readonly policies: readonly string[];
  }): Promise<Principal>;
  createToken(principalId: string, body: NewToken): Promise<IssuedToken>;
  tokens(principalId: string): Promise<readonly TokenView[]>;
  revokeToken(accessor: string): Promise<void>;
  putPolicy(name: string, rules: unknown): Promise<Policy>;
  policies(): Promise<readonly Policy[]>;
}

export function createIdentityClient({ json }: Transport): IdentityClient {
  return {
    login: (body) => json('POST', '/api/identity/login', { body }),
    me: () => json('GET', '/api/identity/me'),
    principals: async () =>
      (await json<{ principals: Principal[] }>('GET', '/api/identity/principals')).principals,
    addPerson: (body) => json('POST', '/api/identity/persons', { body }),
    addWorkload: (body) => json('POST', '/api/identity/workloads', { body }),
    createToken: (id, body) => json('POST', path`/api/identity/principals/${id}/tokens`, { body }),
    tokens: async (id) =>
      (await json<{ tokens: TokenView[] }>('GET', path`/api/identity/principals/${id}/tokens`)).tokens,
    revokeToken: (accessor) => json('DELETE', path`/api/identity/tokens/${accessor}`),
    putPolicy: (name, rules) => json('PUT', path`/api/identity/policies/${name}`, { body: { rules } }),
    policies: async () => (await json<{ policies: Policy[] }>('GET', '/api/identity/policies')).policies,
  };
}
