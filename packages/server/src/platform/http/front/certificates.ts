import { X509Certificate } from 'node:crypto';
import type { Log } from '../../ports.ts';
import { readTlsFiles, stampOf, type TlsFiles, type TlsMaterial } from './tls-files.ts';

export interface CertificatesDeps {
  readonly files: TlsFiles;
  readonly log: Log;
  /** How often the files are looked at. A poll, because a watch does not see a mount behind a link change. */
  readonly pollSeconds: number;
  /** Makes new connections use `material`; its key is zeroed afterwards. */
  readonly use: (material: TlsMaterial) => void;
}

export interface Certificates {
  /** Throws when the files cannot be used; afterwards a change that cannot be used is logged and the old ones stay. */
  start(): Promise<void>;
  stop(): void;
}

/** Takes the certificate from its files at the start, on SIGHUP, and whenever the files change. */
export function createCertificates(deps: CertificatesDeps): Certificates {
  const { files, log } = deps;
  let seen = '';
  let poll: NodeJS.Timeout | undefined;
  let reloading: Promise<void> = Promise.resolve();

  const load = async (): Promise<void> => {
    // Before the read: a file that changes while it is read is read again.
    seen = await stampOf(files);
    const material = await readTlsFiles(files);
    try {
      deps.use(material);
    } finally {
      material.key.fill(0);
    }
    const { subject, validTo } = new X509Certificate(material.cert);
    log.info({ certFile: files.certFile, subject, validTo }, 'a TLS certificate is in use');
  };
  const reload = async (): Promise<void> => {
    try {
      await load();
    } catch (error) {
      // Also half of a renewal: the certificate is new, the key not yet. The next change brings the rest.
      log.error({ certFile: files.certFile, err: error }, 'new TLS files cannot be used, the old ones stay');
    }
  };
  const again = (changedOnly: boolean): void => {
    reloading = reloading.then(async () => {
      if (!changedOnly || (await stampOf(files)) !== seen) await reload();
    });
  };
  const hangUp = (): void => again(false);

  return {
    start: async () => {
      await load();
      process.on('SIGHUP', hangUp);
      poll = setInterval(() => again(true), deps.pollSeconds * 1000);
      poll.unref();
    },
    stop: () => {
      process.off('SIGHUP', hangUp);
      clearInterval(poll);
    },
  };
}
