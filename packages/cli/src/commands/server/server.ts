import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Fault } from '@sallyport/formats';
import type { Command, Invocation } from '../../command.ts';
import { createHousehold } from '../../household.ts';
import { listenFlags } from './listen.ts';

export const server: Command = {
  name: ['server'],
  summary: 'run the server alone, in the foreground, for a host of its own',
  more: [
    'With --seal shamir it starts sealed: initialise and unseal it with any client of Vault, or with "sally vault operator".',
    'Its log is on standard error. SIGHUP reads certificates again and opens audit files again.',
  ],
  flags: {
    listen: { type: 'string', value: 'HOST:PORT', doc: 'address to listen on, default 127.0.0.1:7270' },
    data: { type: 'string', value: 'DIR', doc: 'where everything is kept (also SALLYPORT_DATA)' },
    ephemeral: { type: 'boolean', doc: 'keep everything in a new directory, and remove it at the end' },
    'tls-cert': { type: 'string', value: 'FILE', doc: 'certificate and its chain, PEM' },
    'tls-key': { type: 'string', value: 'FILE', doc: 'its key, PEM, readable by its owner only' },
    seal: {
      type: 'string',
      value: 'SEAL',
      doc: 'what protects the root key: file, shamir, awskms?…; see docs/configuration.md',
    },
    config: { type: 'string', value: 'FILE', doc: 'configuration file; what is given here wins' },
  },
  handlesSignals: true,
  examples: [
    'sally server --listen 0.0.0.0:8200 --tls-cert cert.pem --tls-key key.pem --data /var/lib/sallyport --seal shamir',
    'sally server --ephemeral',
  ],
  run,
};

async function run(invocation: Invocation): Promise<number> {
  const { out, settings } = invocation;
  const ephemeral = invocation.on('ephemeral');
  const given = invocation.flag('data');
  if (ephemeral && given !== undefined) {
    throw new Fault('invalid', 'cli.usage', 'expected --data or --ephemeral, got both');
  }
  const data = ephemeral
    ? mkdtempSync(join(tmpdir(), 'sallyport-'))
    : resolve(given ?? settings.dataDirectory);
  const household = createHousehold(out, undefined, 'pass on');
  try {
    const ready = await household.start('server', ['--data-directory', data, ...serverFlags(invocation)]);
    if (ready !== undefined) announce(invocation, ready, data);
    return await household.untilStopped();
  } catch (error) {
    await household.stop();
    throw error;
  } finally {
    if (ephemeral) rmSync(data, { recursive: true, force: true });
  }
}

const passedOn = {
  'tls-cert': '--tls-cert-file',
  'tls-key': '--tls-key-file',
  seal: '--seal',
  config: '--config',
} as const;

function serverFlags(invocation: Invocation): readonly string[] {
  return [
    ...listenFlags(invocation.flag('listen')),
    ...Object.entries(passedOn).flatMap(([ours, theirs]) => {
      const value = invocation.flag(ours);
      return value === undefined ? [] : [theirs, value];
    }),
  ];
}

function announce({ out }: Invocation, ready: Readonly<Record<string, unknown>>, data: string): void {
  const address = String(ready['address']);
  const sealed = ready['sealed'] === true;
  const token = typeof ready['bootstrapToken'] === 'string' ? ready['bootstrapToken'] : undefined;
  out.line(
    {
      ready: true,
      address,
      sealed,
      dataDirectory: data,
      ...(token === undefined ? {} : { bootstrapToken: token }),
    },
    () =>
      [
        `ready on ${address}${sealed ? ', sealed' : ''}`,
        ...(sealed ? [`initialise it, or bring shares: VAULT_ADDR=${address} vault operator init`] : []),
        ...(token === undefined
          ? []
          : [
              'the first administrator signs in with this token, which works once and is not shown again:',
              `  ${token}`,
            ]),
      ].join('\n'),
  );
}
