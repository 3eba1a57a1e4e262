import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';
import { nameArgument, ruleFlags, ruleOf, showClaims, showFindings } from './rule.ts';

const refusedByPolicy = 5;

export const federationAdd: Command = {
  name: ['federation', 'add'],
  summary: 'let a workload of another issuer get certificates for its tokens',
  more: [
    'A linter refuses rules that let in more than one workload, and says why.',
    'Name ids that are never given out again, such as repository_id, and a branch or an environment.',
  ],
  args: [nameArgument],
  flags: ruleFlags,
  examples: [
    'sally federation add shop-main --kind github --claim repository_id=74 --claim ref=refs/heads/main',
    "sally federation add shop-tags --kind gitlab --claim project_id=20 --claim 'ref=v*' --claim ref_type=tag",
    'sally federation add ci --kind kubernetes --issuer https://k8s.example --claim sub=system:serviceaccount:ci:signer',
    'sally federation add ada --kind email --issuer https://login.example --claim email=ada@example.com',
  ],
  run: async (invocation) => {
    const { out } = invocation;
    const added = await connect(invocation).federation.add(ruleOf(invocation));
    const { name, issuer, audience } = added.rule;
    out.data(added, () => `added ${name}: tokens of ${issuer} for ${audience}`);
    for (const { code, why } of added.findings) out.warn(`${code}: ${why}`);
    return undefined;
  },
};

export const federationLint: Command = {
  name: ['federation', 'lint'],
  summary: 'say what is wrong with a rule, without adding it',
  more: ['Ends with 5 when the rule would be refused.'],
  args: [nameArgument],
  flags: ruleFlags,
  examples: ['sally federation lint shop --kind github --claim repository_owner=acme'],
  run: async (invocation) => {
    const { out } = invocation;
    const findings = await connect(invocation).federation.lint(ruleOf(invocation));
    out.data({ findings }, () => showFindings(findings));
    if (findings.length === 0) out.note('nothing found');
    return findings.some(({ severity }) => severity === 'refused') ? refusedByPolicy : undefined;
  },
};

export const federationList: Command = {
  name: ['federation', 'list'],
  summary: 'list who gets certificates for tokens of other issuers',
  examples: ['sally federation list'],
  run: async (invocation) => {
    const rules = await connect(invocation).federation.list();
    const rows = rules.map((rule) => [rule.name, rule.kind, rule.issuer, rule.audience, showClaims(rule)]);
    invocation.out.data(rules, () => table(['NAME', 'KIND', 'ISSUER', 'AUDIENCE', 'CLAIMS'], rows));
    return undefined;
  },
};

export const federationShow: Command = {
  name: ['federation', 'show'],
  summary: 'show one rule',
  args: [nameArgument],
  examples: ['sally federation show shop-main'],
  run: async (invocation) => {
    const rule = await connect(invocation).federation.get(invocation.arg(0));
    invocation.out.data(rule, () =>
      Object.entries({ ...rule, claims: showClaims(rule) })
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n'),
    );
    return undefined;
  },
};

export const federationRemove: Command = {
  name: ['federation', 'remove'],
  summary: 'remove a rule: from now on nobody gets a certificate by it',
  args: [nameArgument],
  examples: ['sally federation remove shop-main'],
  run: async (invocation) => {
    const name = invocation.arg(0);
    await connect(invocation).federation.remove(name);
    invocation.out.data(
      { removed: name },
      () => `removed ${name}; certificates by it end within ten minutes`,
    );
    return undefined;
  },
};
