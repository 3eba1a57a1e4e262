import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  issueClientCertificate,
  issueServerCertificate,
  makeTestCa,
  type TestCertificate,
} from '../../../packages/server/test-support/certificates.ts';
import { cleanEnvironment, program, serverProgram } from '../../support/program.ts';

/** The server as people run it: a process of its own, with a certificate, on a port of loopback. */
export interface TlsServer {
  /** `https://127.0.0.1:port`. */
  readonly address: string;
  /** PEM; a client that trusts this trusts the server. */
  readonly ca: string;
  readonly caFile: string;
  /** One that the server verifies; clients need none. */
  readonly clientCertificate: TestCertificate;
  /** Only of a server that was started for trying things out; one with shares gives it at `sys/init`. */
  readonly rootToken: string;
  /** Where `sys/audit` may put files. */
  readonly auditDirectory: string;
  close(): Promise<void>;
}

/** `dev` is open and has a root token; `shamir` waits for `sys/init`, and after it for shares. */
export async function startTlsServer(kind: 'dev' | 'shamir'): Promise<TlsServer> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-clients-'));
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const ca = makeTestCa('clients of Vault');
  const certificate = issueServerCertificate(ca);
  const caFile = file('ca.pem', ca.cert);
  const auditDirectory = join(directory, 'audit');
  mkdirSync(auditDirectory);
  const server = program(`${kind} server`, serverProgram, join(directory, 'log'), cleanEnvironment({}), [
    ...['--data-directory', join(directory, 'data'), '--listen-port', '0'],
    ...['--tls-cert-file', file('cert.pem', certificate.cert)],
    ...['--tls-key-file', file('key.pem', certificate.key)],
    ...['--tls-client-ca-file', caFile],
    ...['--audit-api-directories', auditDirectory],
    ...(kind === 'dev' ? ['--dev'] : ['--seal', 'shamir']),
  ]);
  const close = async (): Promise<void> => {
    await server.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await server.start();
  } catch (error) {
    await close();
    throw error;
  }
  const { address, rootToken = '' } = server.ready;
  return {
    address: String(address),
    rootToken: String(rootToken),
    ca: ca.cert,
    caFile,
    clientCertificate: issueClientCertificate(ca, 'ci'),
    auditDirectory,
    close,
  };
}
