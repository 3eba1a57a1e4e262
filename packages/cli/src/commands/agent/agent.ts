import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { connect } from '../../connect.ts';
import { createHousehold } from '../../household.ts';
import { writeNewPrivately } from '../../private-file.ts';
import { runProgram } from '../../programs.ts';

const defaultDays = 365;

export const agentAdd: Command = {
  name: ['agent', 'add'],
  summary: 'give an agent on another machine an identity and a token of its own',
  more: [
    'The token is written to a file that only you can read. Take it to the other machine over a way you trust,',
    'with permissions 0600, and start the agent there:',
    '  sally agent run --address https://sallyport.example.com --token-file west.token',
  ],
  args: [{ name: 'NAME', doc: 'what it is called in traces: lower case, digits, hyphens' }],
  flags: {
    'token-file': { type: 'string', value: 'FILE', doc: 'where to write the token, default NAME.token' },
    days: { type: 'string', value: 'DAYS', doc: `how long the token lives, default ${defaultDays}` },
  },
  examples: ['sally agent add west', 'sally agent add west --token-file /run/west.token --days 30'],
  run: async (invocation) => {
    const { arg, count, flag, out } = invocation;
    const name = arg(0);
    const { identity } = connect(invocation);
    const days = count('days', 1, 366) ?? defaultDays;
    const file = writeNewPrivately(flag('token-file') ?? `${name}.token`);
    try {
      const agent = await identity.addWorkload({ kind: 'agent', name, policies: ['agent'] });
      const { token, accessor, expiresAt } = await identity.createToken(agent.id, {
        ttlSeconds: days * 86_400,
        description: `agent ${name}`,
      });
      file.finish(`${token}\n`);
      out.data(
        { id: agent.id, name, accessor, expiresAt, tokenFile: file.path },
        () => `wrote the token of ${name} to ${file.path}, valid until ${expiresAt}`,
      );
    } catch (error) {
      file.remove();
      throw error;
    }
    out.note(
      `on its machine: sally agent run --address ${invocation.settings.address} --token-file ${file.path}`,
    );
    return undefined;
  },
};

export const agentRun: Command = {
  name: ['agent', 'run'],
  summary: 'run an agent on this machine for a server elsewhere, until Ctrl-C',
  more: [
    'It builds and deploys in sandboxes here. sally agent add makes its token; sally doctor tells what this',
    'machine can enforce.',
  ],
  flags: {
    'token-file': { type: 'string', value: 'FILE', doc: 'the token that sally agent add wrote' },
    name: { type: 'string', value: 'NAME', doc: 'what it calls itself, default the name of this machine' },
    data: { type: 'string', value: 'DIR', doc: 'where it keeps its work' },
    environments: {
      type: 'string',
      value: 'LIST',
      doc: 'PROJECT/ENVIRONMENT, comma-separated, that it deploys; default all',
    },
  },
  handlesSignals: true,
  examples: [
    'sally agent run --address https://sallyport.example.com --token-file west.token',
    'sally agent run --token-file west.token --environments orders/dev,orders/stage',
  ],
  run: async (invocation) => {
    const { flag, out, settings } = invocation;
    const tokenFile = flag('token-file');
    if (tokenFile === undefined) {
      throw new Fault('invalid', 'cli.usage', 'expected --token-file, got nothing', {
        hint: 'sally agent add NAME, on the side of the server, writes one',
      });
    }
    if ((await runProgram(invocation, 'agent', ['ensure-sandbox'])) !== 0) return 1;
    const environments = flag('environments');
    const household = createHousehold(out, undefined);
    try {
      const ready = await household.start('agent', [
        'run',
        '--address',
        settings.address,
        '--token-file',
        tokenFile,
        '--data',
        resolve(flag('data') ?? join(settings.dataDirectory, 'agent')),
        '--name',
        flag('name') ?? nameOf(hostname()),
        ...(environments === undefined ? [] : ['--environments', environments]),
      ]);
      if (ready !== undefined)
        out.line({ ready: true, address: settings.address }, () => `ready for ${settings.address}`);
    } catch (error) {
      await household.stop();
      throw error;
    }
    return household.untilStopped();
  },
};

const nameOf = (host: string): string =>
  host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63) || 'agent';
