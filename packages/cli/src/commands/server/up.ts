import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command, Invocation } from '../../command.ts';
import { createHousehold } from '../../household.ts';
import { runProgram } from '../../programs.ts';
import { listenFlags } from './listen.ts';

export const up: Command = {
  name: ['up'],
  summary: 'start a server and a local agent on this machine, and keep them running until Ctrl-C',
  flags: {
    data: { type: 'string', value: 'DIR', doc: 'where everything is kept (also SALLYPORT_DATA)' },
    listen: { type: 'string', value: 'HOST:PORT', doc: 'address of the server, default 127.0.0.1:7270' },
    config: { type: 'string', value: 'FILE', doc: 'configuration file of the server' },
    dev: {
      type: 'boolean',
      doc: 'for trying things out: secrets at secret/, a root token, no agent; nothing is kept without --data',
    },
    'no-agent': { type: 'boolean', doc: 'start the server only' },
    verbose: {
      type: 'boolean',
      short: 'v',
      doc: 'show the logs here instead of writing them below the data directory',
    },
  },
  more: ['SALLYPORT_DEV_ROOT_TOKEN chooses the root token of --dev; without it one is made and printed.'],
  handlesSignals: true,
  examples: [
    'sally up',
    'sally up --dev',
    'sally up --data ./.sallyport --listen 127.0.0.1:9000',
    'sally up --verbose',
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { settings } = invocation;
  // Whole: server and agent run elsewhere, and give parts of it to sandboxes that have a root of their own.
  const dev = invocation.on('dev');
  const kept = dev ? invocation.flag('data') : (invocation.flag('data') ?? settings.dataDirectory);
  const data = kept === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-dev-')) : resolve(kept);
  try {
    return await runIn(invocation, data, dev);
  } finally {
    if (kept === undefined) rmSync(data, { recursive: true, force: true });
  }
}

async function runIn(invocation: Invocation, data: string, dev: boolean): Promise<number> {
  const { out } = invocation;
  const listen = listenFlags(invocation.flag('listen'));
  const withAgent = !dev && !invocation.on('no-agent');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  // A missing sandbox is found before anything is started: a step never runs without one.
  if (withAgent && (await runProgram(invocation, 'agent', ['ensure-sandbox'])) !== 0) return 1;

  const household = createHousehold(out, invocation.on('verbose') ? undefined : join(data, 'logs'));
  const config = invocation.flag('config');
  const started = out.progress(`starting in ${data}`);
  try {
    const server = await household.start('server', [
      dev ? '--dev' : '--local-agent',
      '--data-directory',
      data,
      ...listen,
      ...(config === undefined ? [] : ['--config', config]),
    ]);
    const address = String(server?.['address']);
    const agent = withAgent && server !== undefined ? agentFlags(address, data) : undefined;
    const up = agent === undefined ? server : await household.start('agent', agent);
    started();
    if (server !== undefined && up !== undefined) {
      if (dev) announceDev(invocation, address, String(server['rootToken']));
      else announce(invocation, address, server['bootstrapToken'], data);
    }
  } catch (error) {
    started();
    await household.stop();
    throw error;
  }
  return household.untilStopped();
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

function announceDev({ out }: Invocation, address: string, rootToken: string): void {
  out.line({ ready: true, address, rootToken }, () =>
    [
      `ready on ${address}, unsealed, with versioned secrets at secret/`,
      '',
      `  export VAULT_ADDR=${address}`,
      `  export VAULT_TOKEN=${rootToken}`,
      '',
      'any client of Vault works with these; a dev server is for trying things out, not for secrets',
    ].join('\n'),
  );
  out.note('Ctrl-C stops');
}
