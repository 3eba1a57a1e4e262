import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { readyLine, runProgram, startProgram, stopProgram } from '../../programs.ts';

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
  examples: ['sally up', 'sally up --data ./.sallyport --listen 127.0.0.1:9000', 'sally up --verbose'],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { out, settings } = invocation;
  const data = invocation.flag('data') ?? settings.dataDirectory;
  mkdirSync(join(data, 'logs'), { recursive: true, mode: 0o700 });
  const withAgent = !invocation.on('no-agent');
  // A missing sandbox is found before anything is started: a step never runs without one.
  if (withAgent && runProgram('agent', ['ensure-sandbox']) !== 0) return 1;

  const log = (name: string): 'inherit' | number =>
    invocation.on('verbose') ? 'inherit' : openSync(join(data, 'logs', `${name}.log`), 'a', 0o600);
  const config = invocation.flag('config');
  const started = out.progress(`starting in ${data}`);
  const server = start('server', log('server'), [
    '--local-agent',
    '--data-directory',
    data,
    ...listenFlags(invocation.flag('listen')),
    ...(config === undefined ? [] : ['--config', config]),
  ]);
  const ready = await readyLine(server, 'server').finally(() => started());
  const address = String(ready['address']);
  const agent = withAgent
    ? start('agent', log('agent'), [
        'run',
        '--address',
        address,
        '--token-file',
        join(data, 'agent-token'),
        '--data',
        join(data, 'agent'),
      ])
    : undefined;
  if (agent !== undefined) await readyLine(agent, 'agent');
  announce(invocation, address, ready['bootstrapToken'], data);
  return wait(out, server, agent);
}

function listenFlags(listen: string | undefined): readonly string[] {
  if (listen === undefined) return [];
  const [, host, port] = /^(.+):([0-9]{1,5})$/.exec(listen) ?? [];
  if (host === undefined || port === undefined) {
    throw new Fault('invalid', 'cli.usage', `expected HOST:PORT, got '${listen}'`);
  }
  return ['--listen-host', host.replace(/^\[|\]$/g, ''), '--listen-port', port];
}

function start(name: 'server' | 'agent', stderr: 'inherit' | number, args: readonly string[]): ChildProcess {
  const child = startProgram(name, args, stderr);
  if (typeof stderr === 'number') closeSync(stderr);
  return child;
}

function announce({ out }: Invocation, address: string, token: unknown, data: string): void {
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
  out.note(`logs are in ${join(data, 'logs')}; Ctrl-C stops`);
}

async function wait(
  out: Invocation['out'],
  server: ChildProcess,
  agent: ChildProcess | undefined,
): Promise<number> {
  const asked = new Promise<'asked'>((resolve) => {
    process.once('SIGINT', () => resolve('asked'));
    process.once('SIGTERM', () => resolve('asked'));
  });
  const died = (name: string, child: ChildProcess): Promise<string> =>
    new Promise((resolve) => {
      child.once('exit', (code, signal) =>
        resolve(`the ${name} ended unexpectedly with ${signal ?? `status ${code}`}`),
      );
    });
  const why = await Promise.race([
    asked,
    died('server', server),
    ...(agent === undefined ? [] : [died('agent', agent)]),
  ]);
  const stopped = out.progress('stopping');
  // Agent first: it hands its work back while there is still a server to hand it to.
  if (agent !== undefined) await stopProgram(agent);
  await stopProgram(server);
  stopped('stopped');
  if (why === 'asked') return 0;
  out.warn(why);
  return 1;
}
