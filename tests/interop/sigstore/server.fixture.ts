import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClientOn, createTransport } from '@sallyport/sdk';
import { type OidcIssuer, openOidcIssuer } from '../../../packages/server/test-support/oidc-issuer.ts';
import { freePorts } from '../../support/installation.ts';
import { cleanEnvironment, program, serverProgram } from '../../support/program.ts';

/** Who signs: an issuer on loopback vouches for this address, and a federation rule lets it in. */
export const signer = 'ada@example.com';

/** The server as people run it, used as a private Sigstore by somebody whom another issuer vouches for. */
export interface SigstoreServer {
  readonly address: string;
  readonly directory: string;
  /** What the issuer is called in certificates. */
  readonly issuer: string;
  /** As the administrator. */
  readonly ada: Client;
  readonly adminToken: string;
  /** `trusted_root.json` as the server gives it to anybody: the only thing that a verifier gets from us. */
  readonly trustedRoot: string;
  readonly trustedRootFile: string;
  /** `signing_config.json` likewise, for those who sign. */
  readonly signingConfig: string;
  readonly signingConfigFile: string;
  /** A fresh token of the issuer, for the signer or somebody whom no rule lets in. */
  token(email?: string): string;
  file(name: string, content: string | Uint8Array): string;
  close(): Promise<void>;
}

export async function startSigstoreServer(name: string): Promise<SigstoreServer> {
  const directory = mkdtempSync(join(tmpdir(), `sallyport-sigstore-${name}-`));
  const issuer = await openOidcIssuer(() => new Date());
  const [port = 0] = await freePorts(1);
  const address = `http://127.0.0.1:${port}`;
  const server = program('server', serverProgram, join(directory, 'log'), cleanEnvironment({}), [
    ...['--data-directory', join(directory, 'data'), '--listen-port', String(port), '--public-url', address],
  ]);
  const close = async (): Promise<void> => {
    await server.kill();
    await issuer.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await server.start();
    return await ready(directory, address, issuer, String(server.ready['bootstrapToken']), close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function ready(
  directory: string,
  address: string,
  issuer: OidcIssuer,
  bootstrap: string,
  close: () => Promise<void>,
): Promise<SigstoreServer> {
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const { json } = createTransport({ address });
  const { issued } = await json<{ issued: { token: string } }>('POST', '/api/identity/login', {
    body: { token: bootstrap, name: 'Ada', email: signer },
  });
  const ada = createClientOn(createTransport({ address, token: issued.token }));
  await ada.transport.json('POST', '/api/federation/rules', {
    body: {
      name: 'people',
      kind: 'email',
      issuer: issuer.url,
      audience: 'sigstore',
      claims: { email: signer },
    },
  });
  const document = async (path: string): Promise<string> => {
    const answer = await fetch(`${address}/${path}`);
    if (!answer.ok) throw new Error(`expected /${path}, got ${answer.status}`);
    return answer.text();
  };
  const trustedRoot = await document('trusted_root.json');
  const signingConfig = await document('signing_config.json');
  return {
    address,
    directory,
    issuer: issuer.url,
    ada,
    adminToken: issued.token,
    trustedRoot,
    trustedRootFile: file('trusted_root.json', trustedRoot),
    signingConfig,
    signingConfigFile: file('signing_config.json', signingConfig),
    token: (email = signer) => issuer.token({ sub: email, email, email_verified: true }),
    file,
    close,
  };
}
