import { readFileSync } from 'node:fs';
import { parseStrictJson } from '@sallyport/formats';
import { path } from '@sallyport/sdk';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

interface Policy {
  readonly name: string;
  readonly rules: ReadonlyArray<{
    readonly path: string;
    readonly capabilities: readonly string[];
    readonly effect: string;
  }>;
}

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
    const rules = parseStrictJson(readFileSync(arg(1) === '-' ? 0 : arg(1), 'utf8'));
    const policy = await connect(invocation).transport.json<Policy>(
      'PUT',
      path`/api/identity/policies/${arg(0)}`,
      {
        body: { rules },
      },
    );
    out.data(policy, () => `wrote policy ${arg(0)}`);
    return undefined;
  },
};

export const policyList: Command = {
  name: ['policy', 'list'],
  summary: 'list the policies with their rules',
  examples: ['sally policy list'],
  run: async (invocation) => {
    const { policies } = await connect(invocation).transport.json<{ policies: Policy[] }>(
      'GET',
      '/api/identity/policies',
    );
    const rows = policies.flatMap((policy) =>
      policy.rules.map((rule) => [policy.name, rule.effect, rule.path, rule.capabilities.join(',')]),
    );
    invocation.out.data(policies, () => table(['POLICY', 'EFFECT', 'PATH', 'CAPABILITIES'], rows));
    return undefined;
  },
};
