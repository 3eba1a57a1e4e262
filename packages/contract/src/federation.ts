/** Answers about who gets certificates, as the native API gives them: /api/federation and /api/authority. */

export interface FederationRuleView {
  readonly name: string;
  /** github, gitlab, buildkite, circleci, kubernetes, sallyport, email or uri */
  readonly kind: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
  /** Where the issuer's keys are, when its discovery document does not say it. */
  readonly jwksUrl?: string;
  readonly caPem?: string;
  readonly webUrl?: string;
}

export interface FederationFindingView {
  readonly code: string;
  /** refused or warning */
  readonly severity: string;
  readonly claim?: string;
  readonly why: string;
  readonly fix: string;
}

export interface AuthorityChainView {
  readonly number: number;
  readonly validFrom: string;
  readonly validUntil: string;
  /** PEM, the intermediate first. */
  readonly certificates: readonly string[];
}
