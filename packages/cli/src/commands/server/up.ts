import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { createHousehold } from '../../household.ts';
import { runProgram } from '../../programs.ts';

export const up: Command = {
  name: ['up'],
  summary: 'start a server and a local agent on this machine, and keep them running until Ctrl-C',
  flags: {
    data: { type: 'string', value: 'DIR', doc: 'where everything is kept (also SALLYPORT_DATA)' },
    listen: { type: 'string', value: 'HOST:PORT', doc: 'address of the server, default 127.0.0.1:7270' },
    config: { type: 'string', value: 'FILE', doc: 'configuration file of the server' },
    'no-agent': { type: 'boolean', doc: 'start the server only' },
    verbose: {
      type: 'boolean',
      short: 'v',
      doc: 'show the logs here instead of writing them below the data directory',
    },
  },
  handlesSignals: true,
  examples: ['sally up', 'sally up --data ./.sallyport --listen 127.0.0.1:9000', 'sally up --verbose'],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { out, settings } = invocation;
  // Whole: server and agent run elsewhere, and give parts of it to sandboxes that have a root of their own.
  const data = resolve(invocation.flag('data') ?? settings.dataDirectory);
  const listen = listenFlags(invocation.flag('listen'));
  const withAgent = !invocation.on('no-agent');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  // A missing sandbox is found before anything is started: a step never runs without one.
  if (withAgent && (await runProgram(invocation, 'agent', ['ensure-sandbox'])) !== 0) return 1;

  const household = createHousehold(out, invocation.on('verbose') ? undefined : join(data, 'logs'));
  const config = invocation.flag('config');
  const started = out.progress(`starting in ${data}`);
  try {
    const server = await household.start('server', [
      '--local-agent',
      '--data-directory',
      data,
      ...listen,
      ...(config === undefined ? [] : ['--config', config]),
    ]);
    const address = String(server?.['address']);
    const agent = withAgent && server !== undefined ? agentFlags(address, data) : undefined;
    const up = agent === undefined ? server : await household.start('agent', agent);
    started();
    if (server !== undefined && up !== undefined)
      announce(invocation, address, server['bootstrapToken'], data);
  } catch (error) {
    started();
    await household.stop();
    throw error;
  }
  return household.untilStopped();
}

function listenFlags(listen: string | undefined): readonly string[] {
  if (listen === undefined) return [];
  const [, host, port] = /^(.+):([0-9]{1,5})$/.exec(listen) ?? [];
  if (host === undefined || port === undefined) {
    throw new Fault('invalid', 'cli.usage', `expected --listen to be HOST:PORT, got '${listen}'`);
  }
  return ['--listen-host', host.replace(/^\[|\]$/g, ''), '--listen-port', port];
}

function agentFlags(address: string, data: string): readonly string[] {
  const token = join(data, 'agent-token');
  return ['run', '--address', address, '--token-file', token, '--data', join(data, 'agent')];
}

function announce({ out, on }: Invocation, address: string, token: unknown, data: string): void {
  const bootstrapToken = typeof token === 'string' ? token : undefined;
  out.line(
    {
      ready: true,
      address,
      dataDirectory: data,
      ...(bootstrapToken === undefined ? {} : { bootstrapToken }),
    },
    () =>
      [
        `ready on ${address}`,
        ...(bootstrapToken === undefined
          ? []
          : [
              '',
              'the first administrator signs in with this token, which works once and is not shown again:',
              `  ${bootstrapToken}`,
              'in another terminal: sally login --name "Your Name" --email you@example.com',
            ]),
      ].join('\n'),
  );
  out.note(on('verbose') ? 'Ctrl-C stops' : `logs are in ${join(data, 'logs')}; Ctrl-C stops`);
}
