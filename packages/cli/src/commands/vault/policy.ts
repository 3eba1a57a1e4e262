import { fromUtf8 } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { dataOf, tell, textOf, textsOf } from './answers.ts';
import { withVault } from './connect.ts';
import { readFile } from './values.ts';

const args = [{ name: 'NAME', doc: 'the name of the policy' }];
const at = (name: string): string => `sys/policies/acl/${name}`;

export const aclRead: Command = {
  name: ['vault', 'policy', 'read'],
  summary: 'print a policy of the secrets store as it was written',
  args,
  examples: ['sally vault policy read app'],
  run: async (invocation) => {
    const name = invocation.arg(0);
    const { policy } = await withVault(invocation, (client) =>
      dataOf(client, { method: 'GET', path: at(name) }),
    );
    invocation.out.data({ name, policy }, () => textOf(policy));
    return undefined;
  },
};

export const aclWrite: Command = {
  name: ['vault', 'policy', 'write'],
  summary: 'write a policy of the secrets store, in HCL or JSON',
  args: [...args, { name: 'FILE', doc: 'the rules, or - for standard input' }],
  examples: [
    `echo 'path "secret/data/app" { capabilities = ["read"] }' | sally vault policy write app -`,
    'sally vault policy write app app.hcl',
  ],
  run: async (invocation) => {
    const name = invocation.arg(0);
    const body = { policy: fromUtf8(readFile(invocation.arg(1))) };
    await withVault(invocation, (client) => tell(client, { method: 'POST', path: at(name), body }));
    invocation.out.data({ name }, () => `wrote policy ${name}`);
    return undefined;
  },
};

export const aclList: Command = {
  name: ['vault', 'policy', 'list'],
  summary: 'list the policies of the secrets store',
  examples: ['sally vault policy list'],
  run: async (invocation) => {
    const call = { method: 'GET', path: 'sys/policies/acl', query: { list: 'true' } } as const;
    const { keys } = await withVault(invocation, (client) => dataOf(client, call));
    invocation.out.data(textsOf(keys), () => textsOf(keys).join('\n'));
    return undefined;
  },
};

export const aclDelete: Command = {
  name: ['vault', 'policy', 'delete'],
  summary: 'delete a policy of the secrets store; tokens that have it lose what it allowed',
  args,
  examples: ['sally vault policy delete app'],
  run: async (invocation) => {
    const name = invocation.arg(0);
    await withVault(invocation, (client) => tell(client, { method: 'DELETE', path: at(name) }));
    invocation.out.data({ name, deleted: true }, () => `deleted policy ${name}`);
    return undefined;
  },
};
