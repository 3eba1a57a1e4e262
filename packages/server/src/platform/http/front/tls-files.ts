import { type FileHandle, open, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { Fault } from '@sallyport/formats';
import type { Config } from '../../config/options.ts';

export interface TlsFiles {
  /** PEM: the certificate of the server, then those between it and the root. */
  readonly certFile: string;
  /** PEM without a passphrase; refused when others than its owner may read or write it. */
  readonly keyFile: string;
  /** PEM: roots that certificates of clients are verified against. Without it none are asked for. */
  readonly clientCaFile?: string | undefined;
}

/** What the configuration says about TLS; undefined where it says nothing. Half of it is refused when it is loaded. */
export function tlsFilesOf(
  config: Pick<Config, 'tlsCertFile' | 'tlsKeyFile' | 'tlsClientCaFile'>,
): TlsFiles | undefined {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsClientCaFile: clientCaFile } = config;
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile, clientCaFile };
}

/** A bundle of roots is a few hundred kilobytes; more is a wrong path. */
const maxSizeBytes = 1024 * 1024;

export interface TlsMaterial extends SecureContextOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * Reads the files and proves that they work together, so that what is not usable never takes the place of what is.
 * Throws `platform.tls_file` or `platform.tls_pair`.
 */
export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const cert = await read(files.certFile, false);
  const key = await read(files.keyFile, true);
  const ca = files.clientCaFile === undefined ? undefined : await read(files.clientCaFile, false);
  // RFC 8996: nothing below TLS 1.2.
  const material = { cert, key, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' } as const;
  try {
    createSecureContext(material);
  } catch (cause) {
    key.fill(0);
    // OpenSSL names the reason (a key that is not of the certificate, bad PEM, a passphrase) and no content.
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      'invalid',
      'platform.tls_pair',
      `expected a certificate in '${files.certFile}' and its key in '${files.keyFile}', got '${reason.slice(0, 200)}'`,
      { hint: 'both are PEM; the key is that of the first certificate and has no passphrase', cause },
    );
  }
  return material;
}

/** Changes whenever one of the files does, also when a link leads to another file, as Kubernetes renews its mounts. */
export async function stampOf(files: TlsFiles): Promise<string> {
  const paths = [
    files.certFile,
    files.keyFile,
    ...(files.clientCaFile === undefined ? [] : [files.clientCaFile]),
  ];
  const stamps = await Promise.all(
    paths.map((path) =>
      stat(path, { bigint: true }).then(
        ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join('.'),
        () => 'none',
      ),
    ),
  );
  return stamps.join(' ');
}

async function read(path: string, isKey: boolean): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw new Fault('invalid', 'platform.tls_file', `cannot open '${path}'`, {
      hint: 'name an existing PEM file that this process may read',
      cause,
    });
  }
  try {
    // Of the open file, not of the path: between two looks at a path there may be two files.
    const facts = await file.stat();
    if (!facts.isFile()) throw unusable(path, 'a file', 'something else');
    if (isKey && (facts.mode & 0o077) !== 0) {
      const mode = (facts.mode & 0o777).toString(8).padStart(4, '0');
      throw unusable(path, 'a key that only its owner may read', `mode ${mode}`, `chmod 600 ${path}`);
    }
    if (facts.size > maxSizeBytes) throw unusable(path, `at most ${maxSizeBytes} bytes`, `${facts.size}`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unusable(path: string, expected: string, got: string, hint?: string): Fault {
  return new Fault('invalid', 'platform.tls_file', `'${path}': expected ${expected}, got ${got}`, {
    ...(hint === undefined ? {} : { hint }),
  });
}
