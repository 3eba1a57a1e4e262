import { Fault } from '@sallyport/formats';
import type { KeyScope } from '@sallyport/sdk';
import type { Command, Invocation } from '../../command.ts';
import { connect, projectFlag, projectOf } from '../../connect.ts';

export const keyRotate: Command = {
  name: ['key', 'rotate'],
  summary: 'make a new encryption key; secrets move to it by themselves while everything goes on',
  more: [
    'Choose one: the key of an environment, of the signing keys (--system), or the one above all (--root).',
  ],
  flags: {
    ...projectFlag,
    env: { type: 'string', short: 'e', value: 'NAME', doc: 'the key of the secrets of this environment' },
    system: { type: 'boolean', doc: 'the key that encrypts the signing keys' },
    root: { type: 'boolean', doc: 'the root key, which encrypts all other keys' },
  },
  examples: ['sally key rotate --env dev', 'sally key rotate --root'],
  run: async (invocation) => {
    const scope = scopeOf(invocation);
    const { version } = await connect(invocation).keys.rotate(scope);
    const name = typeof scope === 'string' ? scope : `${scope.project}/${scope.environment}`;
    invocation.out.data({ scope: name, version }, () => `${name} has key version ${version}`);
    return undefined;
  },
};

function scopeOf(invocation: Invocation): KeyScope {
  const environment = invocation.flag('env');
  const chosen: KeyScope[] = [
    ...(invocation.on('root') ? (['root'] as const) : []),
    ...(invocation.on('system') ? (['system'] as const) : []),
    ...(environment === undefined ? [] : [{ project: projectOf(invocation), environment }]),
  ];
  const [only, second] = chosen;
  if (only !== undefined && second === undefined) return only;
  throw new Fault(
    'invalid',
    'cli.usage',
    `expected one of --env, --system and --root, got ${chosen.length === 0 ? 'none' : 'several'}`,
  );
}
