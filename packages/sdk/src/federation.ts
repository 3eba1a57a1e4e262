import type { AuthorityChainView, FederationFindingView, FederationRuleView } from '@sallyport/contract';
import { path, type Transport } from './transport.ts';

/** Who gets certificates for tokens of other issuers, and the authority that makes them. */
export interface FederationClient {
  /** Throws `signing.rule_refused` when the linter refuses it; gives what it warned of. */
  add(
    rule: FederationRuleView,
  ): Promise<{ readonly rule: FederationRuleView; readonly findings: readonly FederationFindingView[] }>;
  /** Stores nothing. */
  lint(rule: FederationRuleView): Promise<readonly FederationFindingView[]>;
  list(): Promise<readonly FederationRuleView[]>;
  get(name: string): Promise<FederationRuleView>;
  remove(name: string): Promise<void>;
  /** Newest first. */
  chains(): Promise<readonly AuthorityChainView[]>;
  rotate(newRoot: boolean): Promise<AuthorityChainView>;
}

export function createFederationClient({ json }: Transport): FederationClient {
  return {
    add: (body) => json('POST', '/api/federation/rules', { body }),
    lint: async (body) =>
      (await json<{ findings: FederationFindingView[] }>('POST', '/api/federation/lint', { body })).findings,
    list: async () => (await json<{ rules: FederationRuleView[] }>('GET', '/api/federation/rules')).rules,
    get: async (name) =>
      (await json<{ rule: FederationRuleView }>('GET', path`/api/federation/rules/${name}`)).rule,
    remove: (name) => json('DELETE', path`/api/federation/rules/${name}`),
    chains: async () => (await json<{ chains: AuthorityChainView[] }>('GET', '/api/authority')).chains,
    rotate: (newRoot) => json('POST', '/api/authority/rotate', { body: { newRoot } }),
  };
}
