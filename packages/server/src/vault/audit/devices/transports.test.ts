import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../../../test-support/fakes.ts';
import { fittingLine } from './datagram-transport.ts';
import { eventually, line, numbersIn, scratchDirectory, startReceiver } from './receiver.fixture.ts';
import { createSocketDevice, type SocketAddress } from './socket.ts';
import { createSyslogDevice } from './syslog.ts';

const tcp = (port: number): SocketAddress => ({ kind: 'stream', to: { host: '127.0.0.1', port } });
const udp = (port: number): SocketAddress => ({ kind: 'datagram', host: '127.0.0.1', port });

async function udpReceiver() {
  const socket = createSocket('udp4');
  const messages: string[] = [];
  socket.on('message', (message) => messages.push(message.toString('latin1')));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, messages, port: socket.address().port };
}

describe('a socket device', () => {
  it('writes lines over TCP, and connects again when the receiver went away and came back', async () => {
    const first = await startReceiver();
    const device = createSocketDevice(tcp(first.port), 1000);
    await device.write([line(1), line(2)]);
    await first.until((text) => numbersIn(text).length === 2);
    await first.close();
    // Until the end of the stream has arrived: a line written before it would be lost without a sign.
    await pause(50);

    await expect(device.write([line(3)])).rejects.toMatchObject({ kind: 'unavailable' });
    const second = await startReceiver(first.port);
    await device.write([line(4)]);
    await device.reopen();
    await device.write([line(5)]);

    await second.until((text) => text.includes('"n":5'));
    expect(numbersIn(second.text())).toEqual([4, 5]);
    expect(second.connections).toHaveLength(2);
    await device.close();
    await second.close();
  });

  it('fails in time when the receiver does not read, and does not try the same again on a new connection', async () => {
    const deaf = await startReceiver(0, true);
    const device = createSocketDevice(tcp(deaf.port), 200);

    const started = performance.now();
    await expect(device.write([Buffer.alloc(64 << 20, 0x61)])).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(3000);
    expect(deaf.connections).toHaveLength(1);
    await device.close();
    await deaf.close();
  });

  it('writes many times over one connection without leaving listeners behind', async () => {
    const receiver = await startReceiver();
    const device = createSocketDevice(tcp(receiver.port), 1000);
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);

    for (let n = 0; n < 50; n++) await device.write([line(n)]);
    await receiver.until((text) => numbersIn(text).length === 50);
    process.off('warning', warned);

    expect(warnings).toEqual([]);
    expect(receiver.connections).toHaveLength(1);
    await device.close();
    await receiver.close();
  });

  it('survives a receiver that talks and one that resets', async () => {
    const receiver = await startReceiver();
    const device = createSocketDevice(tcp(receiver.port), 1000);
    await device.write([line(1)]);
    await eventually(() => receiver.connections.length === 1);
    receiver.connections[0]?.write(Buffer.alloc(1 << 20));
    await device.write([line(2)]);
    await receiver.until((text) => text.includes('"n":2'));
    receiver.connections[0]?.resetAndDestroy();
    await eventually(() => receiver.connections[0]?.destroyed === true);
    await pause(50);

    await device.write([line(3)]);

    await receiver.until((text) => text.includes('"n":3'));
    await device.close();
    await receiver.close();
  });

  it('writes to a unix stream socket', async () => {
    const directory = await scratchDirectory();
    const receiver = await startReceiver(join(directory.path, 'audit.sock'));
    const device = createSocketDevice(
      { kind: 'stream', to: { path: join(directory.path, 'audit.sock') } },
      1000,
    );

    await device.write([line(1)]);

    await receiver.until((text) => text === `${line(1)}`);
    await device.close();
    await receiver.close();
    await directory.remove();
  });

  it('sends one datagram a line over UDP, a stand-in for what fits none, and fails once nobody listens', async () => {
    const { socket, messages, port } = await udpReceiver();
    const device = createSocketDevice(udp(port), 1000);
    const long = line(2, 70_000);

    await device.write([line(1), long, line(3)]);
    await eventually(() => messages.length === 3);

    expect(messages[0]).toBe(`${line(1)}`);
    expect(JSON.parse(messages[1] ?? '')).toMatchObject({ type: 'oversize', bytes: long.length });
    expect(fittingLine(line(1), line(1).length)).toEqual(line(1));
    socket.close();
    const lost = async () => {
      for (let attempt = 0; attempt < 50; attempt++) {
        await device.write([line(4)]);
        await pause(10);
      }
    };
    await expect(lost()).rejects.toMatchObject({ kind: 'unavailable' });
    await device.close();
  });
});

describe('a syslog device', () => {
  const clock = fixedClock('2026-11-20T10:00:00.123Z');
  const options = {
    facility: 'AUTH',
    tag: 'vault',
    hostname: 'host one\n',
    processId: 4711,
    timeoutMs: 1000,
  } as const;
  // RFC 5424: facility 4 times 8, severity 6; version 1; a host name has no space.
  const head = '<38>1 2026-11-20T10:00:00.123Z host_one_ vault 4711 audit - ';
  const body = `${line(1)}`.trimEnd();

  it('counts octets on TCP (RFC 6587 section 3.4.1)', async () => {
    const receiver = await startReceiver();
    const device = createSyslogDevice({ ...options, address: tcp(receiver.port) }, clock);

    await device.write([line(1), line(1)]);

    const message = head + body;
    await receiver.until((text) => text === `${message.length} ${message}`.repeat(2));
    await device.reopen();
    await device.close();
    await receiver.close();
  });

  it('ends messages by a newline on a unix stream', async () => {
    const directory = await scratchDirectory();
    const path = join(directory.path, 'log');
    const receiver = await startReceiver(path);
    const device = createSyslogDevice({ ...options, address: { kind: 'stream', to: { path } } }, clock);

    await device.write([line(1)]);

    await receiver.until((text) => text === `${head}${body}\n`);
    await device.close();
    await receiver.close();
    await directory.remove();
  });

  it('sends one datagram a message, and keeps long ones within it', async () => {
    const { socket, messages, port } = await udpReceiver();
    const device = createSyslogDevice({ ...options, facility: 'LOCAL7', tag: '', address: udp(port) }, clock);

    await device.write([line(1), line(2, 65_500)]);
    await eventually(() => messages.length === 2);

    expect(messages[0]).toBe(`<190>1 2026-11-20T10:00:00.123Z host_one_ - 4711 audit - ${body}`);
    expect(messages[1]).toContain('"type":"oversize"');
    await device.close();
    socket.close();
  });

  it('fails when nothing listens', async () => {
    const gone = await startReceiver();
    await gone.close();
    const device = createSyslogDevice({ ...options, address: tcp(gone.port) }, clock);

    await expect(device.write([line(1)])).rejects.toThrow('cannot connect to the receiver');
    await expect(once(connect(gone.port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
  });
});
