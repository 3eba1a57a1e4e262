import { kindFacts } from './kinds.ts';
import { type FederationRule, maxClaims } from './rule.ts';

export interface RuleFinding {
  readonly code:
    | 'subject-missing'
    | 'organisation-wide'
    | 'name-reusable'
    | 'wildcard-in-identity'
    | 'wildcard-crosses-separator'
    | 'audience-shared'
    | 'every-branch';
  /** A rule with a refused finding is not stored; a warning is told. */
  readonly severity: 'refused' | 'warning';
  readonly claim?: string;
  /** What goes wrong with it, and for whom. */
  readonly why: string;
  readonly fix: string;
}

/**
 * The known ways to let more in than one meant. Each has been somebody's incident: a cloud role that every repository
 * of the world could take, because the rule had no subject; an organisation whose least guarded repository could
 * release for the most guarded one; a deleted project whose name was registered again by a stranger.
 */
export function lintRule(rule: FederationRule): readonly RuleFinding[] {
  const facts = kindFacts[rule.kind];
  const named = Object.keys(rule.claims);
  const ids = facts.immutable.map((set) => set.join('" and "')).join('", or "');
  const identified = facts.immutable.some((set) => set.every((claim) => named.includes(claim)));
  const findings: RuleFinding[] = [];
  if (!identified) {
    const reusable = named.find((claim) => facts.reusable.includes(claim));
    const ownerWide = named.find((claim) => facts.ownerWide.includes(claim));
    if (reusable !== undefined) {
      findings.push({
        code: 'name-reusable',
        severity: 'refused',
        claim: reusable,
        why: `"${reusable}" is a name: after a rename or a deletion somebody else can have it`,
        fix: `name "${ids}", which is never given out again; the name may stand beside it`,
      });
    } else if (ownerWide !== undefined) {
      findings.push({
        code: 'organisation-wide',
        severity: 'refused',
        claim: ownerWide,
        why: `"${ownerWide}" is the same for everything of that owner: its least guarded project gets in as well`,
        fix: `name "${ids}"; one rule per project`,
      });
    } else {
      findings.push({
        code: 'subject-missing',
        severity: 'refused',
        why: 'nothing in the rule says which workload: everybody who has an account at the issuer gets in',
        fix: `name "${ids}"`,
      });
    }
  }
  for (const [claim, value] of Object.entries(rule.claims)) {
    const finding = wildcard(claim, value, facts.patterns);
    if (finding !== undefined) findings.push(finding);
  }
  if (facts.sharedAudience?.test(rule.audience) === true || rule.audience === rule.issuer) {
    // Our own issuer makes tokens for us, so its audience is ours by definition.
    if (rule.kind !== 'sallyport') {
      findings.push({
        code: 'audience-shared',
        severity: 'refused',
        why: `tokens for "${rule.audience}" are given to other services too, and each of them could use one here`,
        fix: 'take "sigstore", which Sigstore clients ask for, or a name that only this server has',
      });
    }
  }
  if (identified && !named.some((claim) => facts.narrowing.includes(claim))) {
    findings.push({
      code: 'every-branch',
      severity: 'warning',
      why: 'every branch and every workflow of the project gets a certificate, also one that nobody reviewed',
      fix: `name one of "${facts.narrowing.join('", "')}" as well, or let verifiers check it in the certificate`,
    });
  }
  return findings.slice(0, maxClaims + 4);
}

function wildcard(claim: string, value: string, patterns: readonly string[]): RuleFinding | undefined {
  if (!value.includes('*')) return undefined;
  if (!patterns.includes(claim)) {
    return {
      code: 'wildcard-in-identity',
      severity: 'refused',
      claim,
      why: `"${claim}" says who it is; with a "*" in it, it says less than who`,
      fix:
        patterns.length === 0 ? 'give the whole value' : `a "*" may stand in "${patterns.join('", "')}" only`,
    };
  }
  // A reference into a repository: owner, repository and path lie before the "@", and only what follows may vary.
  const [path = '', ...behind] = value.split('@');
  const varyingPath = claim.endsWith('ref') && claim.includes('_') && path.includes('*');
  const whole = /(^|[/:@#])\*$/.test(value) && !/(^|@)refs\/(heads|tags)\/.+\*$/.test(value);
  const many = value.split('*').length > 3 || value.includes('**');
  if (!varyingPath && !whole && !many && behind.length < 2) return undefined;
  return {
    code: 'wildcard-crosses-separator',
    severity: 'refused',
    claim,
    why: `"${value}" was meant to match text across "/", ":" or "@", so that more than one name, branch or path gets in`,
    fix: 'write the parts out, and let one "*" stand within one segment: refs/heads/release-*',
  };
}
