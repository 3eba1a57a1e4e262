import { type FederationFindingView, type FederationRuleView, issuerKinds } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Argument, Flag, Invocation } from '../../command.ts';
import { readNamed } from '../../input.ts';

/** Issuers that everybody shares; those of other kinds are one's own. */
const sharedIssuers: Readonly<Record<string, string>> = {
  github: 'https://token.actions.githubusercontent.com',
  gitlab: 'https://gitlab.com',
  buildkite: 'https://agent.buildkite.com',
};

export const nameArgument: Argument = { name: 'NAME', doc: 'what the rule is called' };

export const ruleFlags: Readonly<Record<string, Flag>> = {
  kind: { type: 'string', value: 'KIND', doc: `whose claims they are: ${issuerKinds.join(', ')}` },
  claim: {
    type: 'string',
    many: true,
    value: 'NAME=VALUE',
    doc: 'a claim that the token must have; a * stands for text within one segment, in branches and tags',
  },
  issuer: {
    type: 'string',
    value: 'URL',
    doc: 'the issuer of the tokens; known for github, gitlab and buildkite',
  },
  audience: {
    type: 'string',
    value: 'TEXT',
    doc: 'who the tokens are made out to; "sigstore" when not given',
  },
  'jwks-url': { type: 'string', value: 'URL', doc: 'where the keys are, for an issuer without discovery' },
  ca: { type: 'string', value: 'FILE', doc: 'the only certificate authorities to believe there, as PEM' },
  'web-url': {
    type: 'string',
    value: 'URL',
    doc: 'where people see the project, for installations of your own',
  },
};

/** The rule that flags and name describe. Throws Fault `cli.usage`. */
export function ruleOf(invocation: Invocation): FederationRuleView {
  const { arg, flag } = invocation;
  const kind = flag('kind');
  if (kind === undefined) throw usage(`expected --kind, one of ${issuerKinds.join(', ')}`);
  const issuer = flag('issuer') ?? sharedIssuers[kind];
  if (issuer === undefined) throw usage(`expected --issuer, which kind "${kind}" has no common one for`);
  const [jwksUrl, ca, webUrl] = [flag('jwks-url'), flag('ca'), flag('web-url')];
  return {
    name: arg(0),
    kind,
    issuer,
    audience: flag('audience') ?? 'sigstore',
    claims: Object.fromEntries(invocation.flags('claim').map(claimOf)),
    ...(jwksUrl === undefined ? {} : { jwksUrl }),
    ...(ca === undefined ? {} : { caPem: readNamed(ca) }),
    ...(webUrl === undefined ? {} : { webUrl }),
  };
}

function claimOf(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw usage(`expected --claim as NAME=VALUE, got "${text.slice(0, 80)}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function showFindings(findings: readonly FederationFindingView[]): string {
  return findings
    .map(({ code, severity, why, fix }) => `${severity}  ${code}\n    ${why}\n    ${fix}`)
    .join('\n');
}

export function showClaims({ claims }: FederationRuleView): string {
  return Object.entries(claims)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function usage(message: string): Fault {
  return new Fault('invalid', 'cli.usage', message, { hint: 'sally federation add --help has examples' });
}
