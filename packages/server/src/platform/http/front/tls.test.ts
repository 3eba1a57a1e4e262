import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  issueClientCertificate,
  issueServerCertificate,
  makeTestCa,
  type TestCertificate,
} from '../../../../test-support/certificates.ts';
import { countingIds, silentLog } from '../../../../test-support/fakes.ts';
import { headerFields } from './answer-bytes.ts';
import { createCertificates } from './certificates.ts';
import { createListener, type Listener } from './listener.ts';
import { peerCertificateOf } from './peer.ts';
import type { TlsFiles } from './tls-files.ts';

const ca = makeTestCa('servers');
const clients = makeTestCa('clients');
let directory: string;
let listener: Listener | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-tls-'));
});
afterEach(async () => {
  await listener?.stop();
  listener = undefined;
  await rm(directory, { recursive: true });
});

async function write(pair: TestCertificate, name = 'server'): Promise<TlsFiles> {
  const [certFile, keyFile] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  await writeFile(certFile, pair.cert);
  await writeFile(keyFile, pair.key, { mode: 0o600 });
  return { certFile, keyFile };
}

let quick = 0;

async function open(tls: TlsFiles, doors: 'Node alone' | 'both' = 'Node alone'): Promise<number> {
  listener = createListener({
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, graceSeconds: 1, maxConnections: 100, headSeconds: 1, tls },
  });
  const answerTo = (incoming: Pick<IncomingMessage, 'method' | 'url' | 'socket'>): string =>
    `${incoming.method} ${incoming.url} ${peerCertificateOf(incoming)?.subject ?? 'nobody'}`;
  const fields = headerFields({});
  listener.attach({
    below: '/',
    handle: (incoming, response) => {
      response.end(answerTo(incoming));
      return true;
    },
    quick: (exchange) => {
      if (doors === 'Node alone') return false;
      quick += 1;
      exchange.answer(200, fields, Buffer.from(answerTo(exchange)));
      return true;
    },
  });
  const { url, port } = await listener.listen();
  expect(url).toBe(`https://127.0.0.1:${port}`);
  return port;
}

async function ask(port: number, options: object = {}, method = 'GET'): Promise<string> {
  const outgoing = request({ host: '127.0.0.1', port, method, path: '/v1/x', ca: ca.cert, ...options });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return `${response.statusCode} ${text}`;
}

async function secure(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: ca.cert, servername: 'localhost', ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

const serialOf = async (port: number): Promise<string> => {
  const socket = await secure(port);
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
  socket.destroy();
  return serial;
};
const serial = (pair: TestCertificate): string => new X509Certificate(pair.cert).serialNumber;

describe('TLS', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'serves %s, LIST on a connection that is kept included',
    async (version) => {
      const port = await open(await write(issueServerCertificate(ca)));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const options = { agent, minVersion: version, maxVersion: version };

      const answers = [];
      for (const method of ['GET', 'LIST', 'SCAN', 'GET', 'LIST'])
        answers.push(await ask(port, options, method));
      agent.destroy();

      expect(answers).toEqual(
        ['GET', 'LIST', 'SCAN', 'GET', 'LIST'].map((method) => `200 ${method} /v1/x nobody`),
      );
    },
  );

  it('reads LIST from any records', async () => {
    const port = await open(await write(issueServerCertificate(ca)));
    const list = 'LIST /v1/x HTTP/1.1\r\nhost: x\r\n\r\n';
    const socket = await secure(port);
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });

    let asked = 0;
    for (const cut of [1, 2, 3, 4, 5, 6, list.length - 1]) {
      socket.write(list.slice(0, cut));
      await sleep(2);
      socket.write(list.slice(cut));
      asked += 1;
      while (answer.split('200 OK').length <= asked) await sleep(1);
    }
    socket.destroy();

    expect(answer.split('LIST /v1/x nobody').length).toBe(8);
  });

  it('refuses TLS 1.1', async () => {
    const port = await open(await write(issueServerCertificate(ca)));

    await expect(
      secure(port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow();
  });

  it('ends a handshake that does not go on, and plain HTTP', async () => {
    const port = await open(await write(issueServerCertificate(ca)));
    const slow = connectPlain(port, '127.0.0.1');
    const plain = connectPlain(port, '127.0.0.1');
    for (const socket of [slow, plain]) socket.on('error', () => undefined).resume();
    const started = Date.now();

    plain.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await Promise.all([once(slow, 'close'), once(plain, 'close')]);

    expect(Date.now() - started).toBeLessThan(4000);
    expect(await ask(port)).toContain('200');
  });
});

describe('certificates of clients', () => {
  async function openFor(doors?: 'both'): Promise<number> {
    const clientCaFile = join(directory, 'clients.pem');
    await writeFile(clientCaFile, clients.cert);
    return open({ ...(await write(issueServerCertificate(ca))), clientCaFile }, doors);
  }

  it('are shown with requests that are read without Node, and refused before them', async () => {
    const port = await openFor('both');
    const { cert, key } = issueClientCertificate(clients, 'ada');
    const before = quick;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });

    expect(await ask(port, { agent, cert, key })).toBe('200 GET /v1/x CN=ada');
    expect(await ask(port, { agent, cert, key }, 'LIST')).toBe('200 LIST /v1/x CN=ada');
    agent.destroy();
    expect(quick - before).toBe(2);

    const other = issueClientCertificate(makeTestCa('clients'), 'mallory');
    const socket = await secure(port, other);
    socket.write('GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n');
    let answer = '';
    for await (const bytes of socket) answer += bytes.toString();
    expect(answer).toMatch(/^HTTP\/1.1 400/);
    expect(quick - before).toBe(2);
  });

  it('are shown to handlers when they verify, also on a resumed session, and are not needed', async () => {
    const port = await openFor();
    const { cert, key } = issueClientCertificate(clients, 'ada');
    const agent = new Agent({ maxCachedSessions: 10 });

    expect(await ask(port)).toBe('200 GET /v1/x nobody');
    expect(await ask(port, { agent, cert, key })).toBe('200 GET /v1/x CN=ada');
    expect(await ask(port, { agent, cert, key })).toBe('200 GET /v1/x CN=ada');
    agent.destroy();
  });

  it.each([
    ['of another issuer', () => issueClientCertificate(makeTestCa('clients'), 'mallory')],
    ['that is made for servers', () => issueServerCertificate(clients, 'mallory')],
    ['that signed itself', () => makeTestCa('mallory')],
  ])('are refused %s, before any request is read', async (_what, make) => {
    const port = await openFor();
    const { cert, key } = make();

    const socket = await secure(port, { cert, key });
    socket.write('GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n');
    let answer = '';
    for await (const bytes of socket) answer += bytes.toString();

    expect(answer).toMatch(/^HTTP\/1.1 400[\s\S]*http\.client_certificate/);
    expect(answer).not.toContain('200 OK');
  });

  it('are nobody where none are asked for', async () => {
    const port = await open(await write(issueServerCertificate(ca)));
    const { cert, key } = issueClientCertificate(clients, 'ada');

    expect(await ask(port, { cert, key })).toBe('200 GET /v1/x nobody');
  });
});

describe('the files', () => {
  it.each([0o640, 0o604, 0o660])('are refused at the start when the key has mode %o', async (mode) => {
    const files = await write(issueServerCertificate(ca));
    await chmod(files.keyFile, mode);

    await expect(open(files)).rejects.toMatchObject({ code: 'platform.tls_file' });
  });

  it('are refused at the start when they are missing, empty, not of each other, or no file', async () => {
    const files = await write(issueServerCertificate(ca));
    const other = await write(issueServerCertificate(ca), 'other');
    await writeFile(join(directory, 'empty'), '', { mode: 0o600 });

    await expect(open({ ...files, certFile: join(directory, 'none') })).rejects.toMatchObject({
      code: 'platform.tls_file',
    });
    await expect(open({ ...files, keyFile: other.keyFile })).rejects.toMatchObject({
      code: 'platform.tls_pair',
    });
    await expect(open({ ...files, certFile: join(directory, 'empty') })).rejects.toMatchObject({
      kind: 'invalid',
    });
    await expect(open({ ...files, keyFile: join(directory, 'empty') })).rejects.toMatchObject({
      kind: 'invalid',
    });
    await expect(open({ ...files, certFile: directory })).rejects.toMatchObject({
      code: 'platform.tls_file',
    });
  });

  it('are read again on SIGHUP, for new connections, while the old ones live', async () => {
    const [first, second] = [issueServerCertificate(ca), issueServerCertificate(ca)];
    const port = await open(await write(first));
    const old = await secure(port);
    expect(await serialOf(port)).toBe(serial(first));

    await write(second);
    process.kill(process.pid, 'SIGHUP');
    while ((await serialOf(port)) !== serial(second)) await sleep(10);

    old.write('LIST /v1/x HTTP/1.1\r\nhost: x\r\n\r\n');
    const [bytes] = await once(old, 'data');
    expect(bytes.toString()).toContain('200 OK');
    old.destroy();
  });

  it('are read again when they change, also behind a link, and bad ones leave the old in use', async () => {
    const errors: object[] = [];
    const used: string[] = [];
    const keys: Buffer[] = [];
    const [first, second] = [issueServerCertificate(ca), issueServerCertificate(ca)];
    await write(first, 'first');
    await write(second, 'second');
    const link = async (name: string, target: string): Promise<void> => {
      await symlink(join(directory, target), join(directory, `${name}.new`));
      await rename(join(directory, `${name}.new`), join(directory, name));
    };
    await link('tls.crt', 'first.pem');
    await link('tls.key', 'first.key');
    const certificates = createCertificates({
      files: { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') },
      log: { ...silentLog, error: (fields) => errors.push(fields) },
      pollSeconds: 0.02,
      use: ({ cert, key }) => {
        used.push(new X509Certificate(cert).serialNumber);
        keys.push(key);
      },
    });
    await certificates.start();

    await link('tls.crt', 'second.pem');
    while (errors.length === 0) await sleep(5);
    await sleep(100);
    expect(used).toEqual([serial(first)]);
    expect(errors.length).toBe(1);
    await link('tls.key', 'second.key');
    while (used.length < 2) await sleep(5);
    certificates.stop();

    expect(used).toEqual([serial(first), serial(second)]);
    expect(keys.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });
});
