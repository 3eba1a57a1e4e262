import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../../../test-support/fakes.ts';
import { type ApiDevices, parseDevice } from './declare.ts';
import { openDevice } from './open.ts';
import { line } from './receiver.fixture.ts';

const none: ApiDevices = { directories: [], addresses: [] };

describe('the declaration of an audit device', () => {
  it('reads the options of Vault, with its defaults', () => {
    expect(parseDevice('file', { file_path: '/var/log/audit.log', mode: '0777' }, 'configuration')).toEqual({
      hmacAccessor: true,
      elideListResponses: false,
      required: false,
      target: {
        type: 'file',
        path: '/var/log/audit.log',
        within: 'anywhere',
        mode: 0o666,
        sync: false,
        timeoutMs: 2000,
      },
    });
    expect(
      parseDevice(
        'socket',
        { address: '127.0.0.1:9090', socket_type: 'tcp', write_timeout: '5s', hmac_accessor: 'false' },
        'configuration',
      ),
    ).toMatchObject({
      hmacAccessor: false,
      target: { address: { kind: 'stream', to: { host: '127.0.0.1', port: 9090 } }, timeoutMs: 5000 },
    });
    expect(parseDevice('socket', { address: '/run/audit.sock' }, 'configuration').target).toMatchObject({
      address: { kind: 'stream', to: { path: '/run/audit.sock' } },
    });
    expect(
      parseDevice('socket', { address: '[::1]:514', socket_type: 'udp' }, 'configuration').target,
    ).toMatchObject({
      address: { kind: 'datagram', host: '::1', port: 514 },
    });
    expect(parseDevice('syslog', { facility: 'local0', tag: 'bao' }, 'configuration').target).toMatchObject({
      address: { kind: 'datagram', host: '127.0.0.1', port: 514 },
      facility: 'LOCAL0',
      tag: 'bao',
    });
    expect(
      parseDevice(
        'webhook',
        { url: 'https://logs.example/in', key_name: 'k', required: 'true' },
        'configuration',
      ),
    ).toMatchObject({ required: true, target: { keyName: 'k', url: new URL('https://logs.example/in') } });
  });

  it('refuses what is no option, what would show plaintext, and what cannot be', () => {
    const refused: ReadonlyArray<readonly [string, Record<string, string>, string]> = [
      ['file', {}, 'file_path'],
      ['file', { file_path: '/l', log_raw: 'true' }, 'log_raw'],
      ['file', { file_path: '/l', prefix: '#!/bin/sh\n' }, 'prefix'],
      ['file', { file_path: '/l', format: 'jsonx' }, 'format'],
      ['file', { file_path: '/l', mode: '4755' }, 'mode'],
      ['file', { file_path: '/l', mode: '0o600' }, 'mode'],
      ['file', { file_path: '/l', colour: 'red' }, '"colour"'],
      ['file', { file_path: '/l', __proto__x: 'y' }, '"__proto__x"'],
      ['file', { file_path: '/l', hmac_accessor: 'perhaps' }, 'hmac_accessor'],
      ['file', { file_path: 'x'.repeat(5000) }, 'file_path'],
      ['socket', {}, 'address'],
      ['socket', { address: 'host' }, 'address'],
      ['socket', { address: 'host:0' }, 'address'],
      ['socket', { address: 'host:65536' }, 'address'],
      ['socket', { address: 'a b:1' }, 'address'],
      ['socket', { address: '/p\0q' }, 'address'],
      ['socket', { address: `/${'p'.repeat(200)}` }, 'address'],
      ['socket', { address: 'h:1', socket_type: 'unixgram' }, 'socket_type'],
      ['socket', { address: 'h:1', socket_type: 'udp', required: 'true' }, 'required'],
      ['syslog', { required: 'true' }, 'required'],
      ['syslog', { facility: 'NONE' }, 'facility'],
      ['webhook', { url: 'http://logs.example/', key_name: 'k' }, 'url'],
      ['webhook', { url: 'https://user:pass@logs.example/', key_name: 'k' }, 'url'],
      ['webhook', { url: 'file:///etc/passwd', key_name: 'k' }, 'url'],
      ['webhook', { url: 'nonsense', key_name: 'k' }, 'url'],
      ['webhook', { url: 'https://logs.example/' }, 'key_name'],
      ['kafka', {}, 'type'],
    ];
    for (const [type, options, at] of refused) {
      expect(() => parseDevice(type, options, 'configuration'), `${type} ${JSON.stringify(options)}`).toThrow(
        expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(at) }),
      );
    }
  });

  it('lets the API name no place but those of the configuration', () => {
    const asked: ReadonlyArray<readonly [string, Record<string, string>, string]> = [
      ['file', { file_path: 'stdout' }, 'stdout'],
      ['socket', { address: '10.0.0.1:22' }, 'tcp:10.0.0.1:22'],
      ['socket', { address: '/run/docker.sock' }, 'unix:/run/docker.sock'],
      ['syslog', {}, 'udp:127.0.0.1:514'],
      ['webhook', { url: 'https://logs.example/in', key_name: 'k' }, 'https://logs.example'],
    ];
    for (const [type, options, place] of asked) {
      expect(() => parseDevice(type, options, none), place).toThrow(
        expect.objectContaining({ kind: 'denied', code: 'vault.audit_place' }),
      );
      const allowed = { directories: ['stdout', '/var/log'], addresses: [place] };
      expect(parseDevice(type, options, allowed).target.type).toBe(type);
    }
    expect(
      parseDevice('file', { file_path: '/etc/crontab' }, { directories: ['stdout', '/d'], addresses: [] }),
    ).toMatchObject({
      target: { within: ['/d'] },
    });
  });

  it('answers any options with a device or a refusal', () => {
    const name = fc.constantFrom(
      'file_path',
      'mode',
      'address',
      'socket_type',
      'url',
      'key_name',
      'facility',
      'x',
    );
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('/l', 'tcp', 'udp', 'unix', '127.0.0.1:1', '0600', 'https://a'),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('file', 'socket', 'syslog', 'webhook'),
        fc.dictionary(name, value),
        (type, options) => {
          try {
            parseDevice(type, options, 'configuration');
          } catch (error) {
            expect(error).toMatchObject({ name: 'Fault', kind: 'invalid' });
          }
        },
      ),
    );
  });

  it('opens what it describes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'));
    const stdout = new PassThrough();
    const deps = {
      clock: fixedClock(),
      fetch,
      stdout,
      hostname: 'host',
      processId: 1,
      webhookKey: () => SecretBytes.fromUtf8('key'),
    };
    const api = {
      directories: [directory, 'stdout'],
      addresses: ['tcp:127.0.0.1:1', 'https://logs.example'],
    };
    const asked: ReadonlyArray<readonly [string, Record<string, string>]> = [
      ['file', { file_path: join(directory, 'log') }],
      ['file', { file_path: 'stdout' }],
      ['socket', { address: '127.0.0.1:1' }],
      ['syslog', { address: '127.0.0.1:1', socket_type: 'tcp' }],
      ['webhook', { url: 'https://logs.example/', key_name: 'k' }],
    ];
    for (const [type, options] of asked) {
      const device = await openDevice(parseDevice(type, options, api).target, deps);
      if (type === 'file') await device.write([line(1)]);
      await device.reopen();
      await device.close();
    }
    expect(String(stdout.read())).toBe(`${line(1)}`);
    const outside = parseDevice('file', { file_path: '/etc/sallyport-test' }, api).target;
    await expect(openDevice(outside, deps)).rejects.toThrow(
      'below a directory that the configuration allows',
    );
    rmSync(directory, { recursive: true });
  });
});
