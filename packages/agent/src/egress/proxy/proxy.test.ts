import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultLimits } from '../limits.ts';
import { createRecorder, type Recorder } from '../recorder.ts';
import type { Listening } from '../socket-server.ts';
import { ask, tunnel } from '../tiny-registry.fixture.ts';
import { isPublicAddress } from './addresses.ts';
import { createAllowlist, parseTarget } from './allowlist.ts';
import { openProxy } from './proxy.ts';

let directory: string;
let recorder: Recorder;
let proxy: Listening;
let site: Server;
let port: number;
let socketPath: string;
const names = new Map<string, readonly string[]>();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sp-'));
  recorder = createRecorder({ clock: { now: () => new Date(0) }, step: 'it', limit: 100 });
  site = createHttpServer((request, response) =>
    response.end(`${request.method} ${request.url} ${request.headers.host}`),
  );
  await new Promise<void>((ready) => site.listen(0, '127.0.0.1', ready));
  port = (site.address() as AddressInfo).port; // listening on TCP
  names.clear();
});
afterEach(async () => {
  await proxy.close();
  site.closeAllConnections();
  site.close();
  await rm(directory, { recursive: true, force: true });
});

async function allow(...list: string[]): Promise<void> {
  socketPath = join(directory, 'proxy.sock');
  proxy = await openProxy({
    allow: list,
    recorder,
    limits: { ...defaultLimits, connectMs: 500 },
    resolve: async (host) => names.get(host) ?? [],
    socketPath,
  });
}
const reasons = () => recorder.records().map((record) => `${record.uri} ${record.reason ?? record.decision}`);

describe('allowlist proxy', () => {
  it('tunnels to a listed host whose address is listed too, and records it', async () => {
    names.set('api.test', ['127.0.0.1']);
    await allow(`api.test:${port}`, `127.0.0.1:${port}`);

    const { status, socket } = await tunnel(socketPath, `API.test:${port}`);
    socket.write('GET /x HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n');
    const text = await new Promise<string>((done) => {
      let all = '';
      socket.on('data', (chunk: Buffer) => {
        all += chunk.toString();
      });
      socket.on('close', () => done(all));
    });

    expect(status).toBe(200);
    expect(text).toContain('GET /x api.test');
    expect(reasons()).toEqual([`API.test:${port} allowed`]);
  });

  it.each([
    ['another port', 'api.test:1', 'egress.not_allowed'],
    ['another host', 'evil.test:443', 'egress.not_allowed'],
    ['a listed name that leads to loopback', 'loop.test:443', 'egress.private_address'],
    ['a listed name with one private answer among public ones', 'mixed.test:443', 'egress.private_address'],
    ['the metadata service', '169.254.169.254:80', 'egress.not_allowed'],
    ['a bare name', 'api.test', 'egress.bad_target'],
    ['a user', 'x@api.test:443', 'egress.bad_target'],
    ['an IPv6 literal', '[::1]:443', 'egress.bad_target'],
    ['a trailing dot', 'api.test.:443', 'egress.bad_target'],
    ['a port out of range', 'api.test:70000', 'egress.bad_target'],
  ])('refuses %s', async (_, target, reason) => {
    names.set('loop.test', ['127.0.0.1']);
    names.set('mixed.test', ['93.184.216.34', '10.0.0.1']);
    await allow('api.test:443', 'loop.test:443', 'mixed.test:443');

    const { status, text } = await tunnel(socketPath, target);

    expect([400, 403]).toContain(status);
    expect(text).toContain(reason);
    expect(reasons()).toEqual([`${target} ${reason}`]);
  });

  it('connects to the address it checked and never resolves again', async () => {
    let lookups = 0;
    const list = createAllowlist(['a.test:80'], async () =>
      lookups++ === 0 ? ['93.184.216.34'] : ['127.0.0.1'],
    );

    expect(await list.permit({ host: 'a.test', port: 80 })).toEqual(['93.184.216.34']);

    expect(lookups).toBe(1);
  });

  it('forwards plain GET with its own Host header, and refuses other methods and schemes', async () => {
    names.set('api.test', ['127.0.0.1']);
    await allow(`api.test:${port}`, `127.0.0.1:${port}`);

    const got = await ask(socketPath, `http://api.test:${port}/y`, 'GET', { host: 'evil.test' });
    const posted = await ask(socketPath, `http://api.test:${port}/y`, 'POST');
    const ftp = await ask(socketPath, `ftp://api.test:${port}/y`);
    const relative = await ask(socketPath, '/y');

    expect(got.body.toString()).toBe(`GET /y api.test:${port}`);
    expect([posted.status, ftp.status, relative.status]).toEqual([403, 400, 400]);
  });

  it('answers 502 when the listed host does not answer', async () => {
    const closed = createServer();
    await new Promise<void>((ready) => closed.listen(0, '127.0.0.1', ready));
    const gone = (closed.address() as AddressInfo).port; // listening on TCP
    await new Promise((done) => closed.close(done));
    await allow(`127.0.0.1:${gone}`, 'nowhere.test:443');

    expect((await tunnel(socketPath, `127.0.0.1:${gone}`)).status).toBe(502);
    expect((await tunnel(socketPath, 'nowhere.test:443')).status).toBe(502);
  });

  it('ends its tunnels when it is closed', async () => {
    await allow(`127.0.0.1:${port}`);
    const { socket } = await tunnel(socketPath, `127.0.0.1:${port}`);
    const ended = new Promise((done) => socket.on('close', done));
    socket.resume();

    await proxy.close();

    await ended;
    await allow();
  });
});

describe('addresses', () => {
  it.each(['8.8.8.8', '93.184.216.34', '2606:4700::1111'])('takes %s for public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '2002:7f00:1::',
    '2001:db8::1',
    'localhost',
    '127.1',
    '0x7f.1',
    '',
  ])('does not take %s for public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it('reads exactly host:port', () => {
    expect(parseTarget('A.example:443')).toEqual({ host: 'a.example', port: 443 });
    for (const bad of [
      'a',
      ':1',
      'a:',
      'a:0',
      'a:65536',
      'a b:1',
      'a:1:2',
      '-a:1',
      'a\n:1',
      'a:1\n',
      'a/b:1',
    ]) {
      expect(parseTarget(bad), bad).toBeUndefined();
    }
  });
});
