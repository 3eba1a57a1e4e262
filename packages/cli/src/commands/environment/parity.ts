import type { ParityView } from '@sallyport/contract';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';

export const envParity: Command = {
  name: ['env', 'parity'],
  summary: 'show what each environment lacks or has more than the one before it',
  more: ['Ends with 1 when an environment lacks something, so that a pipeline can ask.'],
  args: [{ name: 'PROJECT', doc: 'the project' }],
  flags: {
    against: { type: 'string', value: 'ENV', doc: 'compare all with this environment instead' },
  },
  examples: ['sally env parity shop', 'sally env parity shop --against prod'],
  run: async (invocation) => {
    const { arg, flag, out } = invocation;
    const parity = await connect(invocation).environments.parity(arg(0), flag('against'));
    out.data(parity, () => parity.flatMap(linesOf).join('\n'));
    if (parity.length === 0) out.note('there are no two environments to compare');
    return parity.some(({ lacks, unpaired }) => lacks.length > 0 || unpaired.length > 0) ? 1 : undefined;
  },
};

function linesOf({ environment, against, lacks, more, left, unpaired }: ParityView): readonly string[] {
  const told = [
    ...unpaired.map((mount) => `  no counterpart of ${mount}`),
    ...lacks.map((each) => `  lacks ${textOf(each)}`),
    ...more.map((each) => `  more  ${textOf(each)}`),
    ...(left > 0 ? [`  and ${left} more differences`] : []),
  ];
  return [`${environment} against ${against}: ${told.length === 0 ? 'the same' : ''}`.trimEnd(), ...told];
}

function textOf({ mount, path, what, keys }: ParityView['lacks'][number]): string {
  const names = keys.join(', ');
  if (what === 'keys') return `${mount}${path}: ${names}`;
  return `${mount}${path}${what === 'value' ? ' (no value yet)' : ''}${names === '' ? '' : `: ${names}`}`;
}
