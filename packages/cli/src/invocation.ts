import { Fault } from '@sallyport/formats';
import type { Invocation, ParsedInput } from './command.ts';
import type { Printer } from './printer.ts';
import type { Settings } from './settings.ts';

/** The input of one command, as its function asks for it. */
export function createInvocation(
  input: ParsedInput,
  out: Printer,
  settings: Settings,
  whenInterrupted: Invocation['whenInterrupted'],
): Invocation {
  const list = (name: string): readonly string[] => {
    const value = input.values[name];
    const all = Array.isArray(value) ? value : [value];
    return all.filter((one): one is string => typeof one === 'string');
  };
  return {
    args: input.args,
    arg: (index) => {
      const value = input.args[index];
      if (value !== undefined) return value;
      throw new Fault('internal', 'cli.argument', `argument ${index} was not declared`);
    },
    flag: (name) => list(name)[0],
    flags: list,
    on: (name) => input.values[name] === true,
    count: (name, least, most) => {
      const text = list(name)[0];
      if (text === undefined) return undefined;
      const value = Number(text);
      if (/^[0-9]{1,15}$/.test(text) && value >= least && value <= most) return value;
      throw new Fault(
        'invalid',
        'cli.usage',
        `expected --${name} to be a whole number from ${least} to ${most}, got '${text}'`,
      );
    },
    whenInterrupted,
    out,
    settings,
  };
}
