import { parseStrictJson } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { readNamed } from '../../input.ts';
import { table } from '../../printer.ts';

export const policyPut: Command = {
  name: ['policy', 'put'],
  summary: 'write a policy: a JSON list of {path, capabilities, effect}',
  args: [
    { name: 'NAME', doc: 'the name of the policy' },
    { name: 'FILE', doc: 'the rules, or - for standard input' },
  ],
  examples: [
    `echo '[{"path":"projects/*","capabilities":["read","list","approve"],"effect":"allow"}]' | sally policy put approver -`,
  ],
  run: async (invocation) => {
    const { arg, out } = invocation;
    const rules = parseStrictJson(readNamed(arg(1)));
    const policy = await connect(invocation).identity.putPolicy(arg(0), rules);
    out.data(policy, () => `wrote policy ${arg(0)}`);
    return undefined;
  },
};

export const policyList: Command = {
  name: ['policy', 'list'],
  summary: 'list the policies with their rules',
  examples: ['sally policy list'],
  run: async (invocation) => {
    const policies = await connect(invocation).identity.policies();
    const rows = policies.flatMap((policy) =>
      policy.rules.map((rule) => [policy.name, rule.effect, rule.path, rule.capabilities.join(',')]),
    );
    invocation.out.data(policies, () => table(['POLICY', 'EFFECT', 'PATH', 'CAPABILITIES'], rows));
    return undefined;
  },
};
