import { Fault } from '@sallyport/formats';
import type { Command, Flag, Invocation } from '../../command.ts';
import { withVault } from './connect.ts';

const args = [{ name: 'PATH', doc: 'where it is kept, such as secret/app' }];

const versionsFlag: Readonly<Record<string, Flag>> = {
  versions: { type: 'string', value: 'LIST', doc: 'these versions: 2 or 1,2,5' },
};

function versionsOf({ flag }: Invocation): readonly number[] | undefined {
  const text = flag('versions');
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8}){0,99}$/.test(text)) return text.split(',').map(Number);
  throw new Fault('invalid', 'cli.usage', `expected --versions to be numbers such as 1,2,5, got '${text}'`);
}

function needed(invocation: Invocation): readonly number[] {
  const versions = versionsOf(invocation);
  if (versions !== undefined) return versions;
  throw new Fault('invalid', 'cli.usage', 'expected --versions, got nothing', {
    hint: 'sally kv metadata PATH lists them',
  });
}

export const kvDelete: Command = {
  name: ['kv', 'delete'],
  summary: 'delete the current version of a secret, or the named ones; kv undelete brings versions back',
  args,
  flags: {
    ...versionsFlag,
    all: { type: 'boolean', doc: 'every version and all that is known about it, for ever' },
  },
  examples: [
    'sally kv delete secret/app',
    'sally kv delete secret/app --versions 1,2',
    'sally kv delete secret/old --all',
  ],
  run: async (invocation) => {
    const path = invocation.arg(0);
    const [versions, all] = [versionsOf(invocation), invocation.on('all')];
    if (all && versions !== undefined) {
      throw new Fault('invalid', 'cli.usage', 'expected --versions or --all, got both');
    }
    await withVault(invocation, (client) => (all ? client.deleteAll(path) : client.delete(path, versions)));
    invocation.out.data({ path, deleted: all ? 'all' : (versions ?? 'current') }, () => `deleted ${path}`);
    return undefined;
  },
};

export const kvUndelete: Command = {
  name: ['kv', 'undelete'],
  summary: 'bring deleted versions of a secret back',
  args,
  flags: versionsFlag,
  examples: ['sally kv undelete secret/app --versions 3'],
  run: async (invocation) => {
    const [path, versions] = [invocation.arg(0), needed(invocation)];
    await withVault(invocation, (client) => client.undelete(path, versions));
    invocation.out.data({ path, versions }, () => `brought ${path} back`);
    return undefined;
  },
};

export const kvDestroy: Command = {
  name: ['kv', 'destroy'],
  summary: 'destroy versions of a secret, for ever',
  args,
  flags: versionsFlag,
  examples: ['sally kv destroy secret/app --versions 1,2'],
  run: async (invocation) => {
    const [path, versions] = [invocation.arg(0), needed(invocation)];
    await withVault(invocation, (client) => client.destroy(path, versions));
    invocation.out.data({ path, versions }, () => `destroyed versions of ${path}`);
    return undefined;
  },
};
