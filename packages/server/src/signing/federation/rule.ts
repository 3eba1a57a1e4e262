import { type FederationRuleView, issuerKinds } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Json } from '#platform';
import type { IssuerKind } from './kinds.ts';

/** Who may get a certificate: tokens of one issuer, for one audience, with exactly these claims. */
export interface FederationRule {
  /** Lower case letters, digits and dashes; what people call it. */
  readonly name: string;
  readonly kind: IssuerKind;
  /** `iss`, to the letter. */
  readonly issuer: string;
  /** The one `aud` that is accepted. Sigstore's clients ask for `sigstore`. */
  readonly audience: string;
  /** All of them must be in the token. A `*` stands for text within one segment, where the kind allows it. */
  readonly claims: Readonly<Record<string, string>>;
  /** Where the keys are, for issuers without a discovery document that this server reaches. */
  readonly jwksUrl: string | undefined;
  /** The only authorities to believe when keys are fetched, as PEM; empty for those of the system. */
  readonly caPem: string;
  /** Where people see the project; for GitHub Enterprise and GitLab installations of one's own. */
  readonly webUrl: string | undefined;
}

/** A rule as somebody wrote it: shape and bounds are checked by the route, meaning here. */
export type RuleDraft = FederationRuleView;

export const maxClaims = 16;

/** Throws `signing.rule_invalid`. Whether the rule is wise is for `lintRule` to say. */
export function parseRule(draft: RuleDraft): FederationRule {
  const kind = issuerKinds.find((known) => known === draft.kind);
  if (kind === undefined) throw invalid(`expected "kind" as one of ${issuerKinds.join(', ')}`);
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(draft.name)) {
    throw invalid('expected "name" as lower case letters, digits and inner dashes, at most 63');
  }
  requireUrl(draft.issuer, 'issuer');
  if (draft.jwksUrl !== undefined) requireUrl(draft.jwksUrl, 'jwksUrl');
  if (draft.webUrl !== undefined) requireUrl(draft.webUrl, 'webUrl');
  if (!/^[\x21-\x7e]{1,300}$/.test(draft.audience)) {
    throw invalid('expected "audience" as 1 to 300 printable characters without spaces');
  }
  const claims = Object.entries(draft.claims);
  if (claims.length > maxClaims) throw invalid(`expected at most ${maxClaims} claims, got ${claims.length}`);
  for (const [name, value] of claims) {
    if (!/^[A-Za-z0-9_.:/-]{1,100}$/.test(name))
      throw invalid('expected names of claims in letters, digits and _.:/-');
    if (value === '' || value.length > 300 || /\p{Cc}/u.test(value)) {
      throw invalid(`expected the claim "${name}" as 1 to 300 printable characters`);
    }
  }
  return {
    name: draft.name,
    kind,
    issuer: draft.issuer,
    audience: draft.audience,
    claims: Object.fromEntries(claims.toSorted(([a], [b]) => (a < b ? -1 : 1))),
    jwksUrl: draft.jwksUrl,
    caPem: draft.caPem ?? '',
    webUrl: draft.webUrl,
  };
}

export function ruleResource(rule: Pick<FederationRule, 'name'>): string {
  return `federation/${rule.name}`;
}

export function ruleState(rule: FederationRule): Json {
  return {
    name: rule.name,
    kind: rule.kind,
    issuer: rule.issuer,
    audience: rule.audience,
    claims: rule.claims,
    jwksUrl: rule.jwksUrl ?? null,
    caPem: rule.caPem,
    webUrl: rule.webUrl ?? null,
  };
}

/** http only on this machine's loopback, where nobody stands between us and the issuer's keys. */
function requireUrl(text: string, name: string): void {
  const url = text.length <= 1000 && URL.canParse(text) ? new URL(text) : undefined;
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url?.hostname ?? '');
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback);
  if (url === undefined || !safe || url.username !== '' || url.hash !== '' || /\s/.test(text)) {
    throw invalid(`expected "${name}" as an https URL without user and fragment`);
  }
}

function invalid(expected: string): Fault {
  return new Fault('invalid', 'signing.rule_invalid', expected, {
    hint: 'sally federation add --help shows a rule for each kind of issuer',
  });
}
