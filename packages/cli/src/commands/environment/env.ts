import type { EnvironmentChange, EnvironmentView } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Argument, Command, Invocation } from '../../command.ts';
import { connect } from '../../connect.ts';
import { table } from '../../printer.ts';

const projectArgument: Argument = { name: 'PROJECT', doc: 'the project' };
const environmentArgument: Argument = { name: 'ENV', doc: 'the environment, such as dev or prod' };

function rowOf(environment: EnvironmentView): readonly string[] {
  return [
    environment.project,
    environment.name,
    String(environment.order),
    environment.duplicates,
    String(environment.maxConsumers),
    environment.requireOwner ? 'required' : 'optional',
    `${environment.unusedDays}d`,
    `${environment.expiringDays}d`,
  ];
}

const head = ['PROJECT', 'ENV', 'ORDER', 'DUPLICATES', 'CONSUMERS', 'OWNER', 'UNUSED', 'EXPIRING'];

export const envList: Command = {
  name: ['env', 'list'],
  summary: 'list the environments of projects in their order, with what holds for their secrets',
  args: [{ ...projectArgument, optional: true }],
  examples: ['sally env list', 'sally env list shop'],
  run: async (invocation) => {
    const found = await connect(invocation).environments.list(invocation.args[0]);
    invocation.out.data(found, () => table(head, found.map(rowOf)));
    return undefined;
  },
};

export const envShow: Command = {
  name: ['env', 'show'],
  summary: 'show one environment',
  args: [projectArgument, environmentArgument],
  examples: ['sally env show shop prod'],
  run: async (invocation) => {
    const { arg, out } = invocation;
    const found = await connect(invocation).environments.get(arg(0), arg(1));
    out.data(found, () => table(head, [rowOf(found)]));
    return undefined;
  },
};

export const envSet: Command = {
  name: ['env', 'set'],
  summary: 'say what holds for the secrets of an environment; what is not named stays',
  more: [
    'With --duplicates refuse nobody can write a value here that another environment has, and no other environment can',
    'take a value from here. Where one of the two refuses, the write is refused; otherwise it is reported.',
  ],
  args: [projectArgument, environmentArgument],
  flags: {
    order: { type: 'string', value: 'N', doc: 'its place among the environments of the project, from 0' },
    duplicates: { type: 'string', value: 'POLICY', doc: 'values of other environments: report or refuse' },
    'max-consumers': { type: 'string', value: 'N', doc: 'a secret of more consumers is a finding' },
    'require-owner': {
      type: 'string',
      value: 'YES|NO',
      doc: 'whether a secret without owner is a grave finding',
    },
    'unused-days': {
      type: 'string',
      value: 'DAYS',
      doc: 'a secret that nobody read for so long is a finding',
    },
    'expiring-days': { type: 'string', value: 'DAYS', doc: 'a secret that expires so soon is a finding' },
  },
  examples: [
    'sally env set shop prod --duplicates refuse --require-owner yes',
    'sally env set shop qa --order 15',
  ],
  run: async (invocation) => {
    const { arg, out } = invocation;
    const change = changeOf(invocation);
    if (Object.keys(change).length === 0)
      throw usage('expected something to change, got nothing', 'sally env set --help shows what can be set');
    const changed = await connect(invocation).environments.change(arg(0), arg(1), change);
    out.data(changed, () => table(head, [rowOf(changed)]));
    return undefined;
  },
};

function changeOf({ flag, count }: Invocation): EnvironmentChange {
  const order = count('order', 0, 1000);
  const duplicates = choice(flag('duplicates'), 'duplicates', {
    report: 'report',
    refuse: 'refuse',
  } as const);
  const maxConsumers = count('max-consumers', 1, 1000);
  const requireOwner = choice(flag('require-owner'), 'require-owner', { yes: true, no: false } as const);
  const unusedDays = count('unused-days', 1, 3650);
  const expiringDays = count('expiring-days', 1, 3650);
  return {
    ...(order === undefined ? {} : { order }),
    ...(duplicates === undefined ? {} : { duplicates }),
    ...(maxConsumers === undefined ? {} : { maxConsumers }),
    ...(requireOwner === undefined ? {} : { requireOwner }),
    ...(unusedDays === undefined ? {} : { unusedDays }),
    ...(expiringDays === undefined ? {} : { expiringDays }),
  };
}

function choice<T>(
  text: string | undefined,
  name: string,
  choices: Readonly<Record<string, T>>,
): T | undefined {
  if (text === undefined) return undefined;
  const chosen = Object.hasOwn(choices, text) ? choices[text] : undefined;
  if (chosen !== undefined) return chosen;
  throw usage(`expected --${name} ${Object.keys(choices).join(' or ')}, got '${text.slice(0, 40)}'`);
}

function usage(message: string, hint?: string): Fault {
  return new Fault('invalid', 'cli.usage', message, hint === undefined ? {} : { hint });
}
