import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  digestOf,
  fromBase64,
  fromUtf8,
  parseSigstoreTrustedRoot,
  statementBytes,
  tufRoot,
  utf8,
  verifySigstoreBundle,
  writeTuf,
} from '@sallyport/formats';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import type { TrustedRoot } from '@sigstore/protobuf-specs';
import {
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
} from '@sigstore/sign';
import { getTrustedRoot } from '@sigstore/tuf';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fortress, openFortress } from '../attacks/fortress.ts';

/**
 * A whole Sigstore in one server: its unmodified JavaScript clients get a certificate, a log entry and a timestamp, and
 * verify what they made with nothing but what the TUF repository gave them.
 */

const email = 'ada@example.com';
const artifact = utf8('an artifact');
let fortress: Fortress;
let issuer: Issuer;
let directory: string;
let trusted: TrustedRoot;
let trustedText: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'private-sigstore-'));
  issuer = await openIssuer();
  fortress = await openFortress();
  const { json, text } = fortress.ada.transport;
  await json('POST', '/api/federation/rules', {
    body: { name: 'ada', kind: 'email', issuer: issuer.url, audience: 'sigstore', claims: { email } },
  });
  const server = await json<{ targetsKey: string; onlineKey: string }>('GET', '/api/trust');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeySpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const root = tufRoot({
    version: 1,
    expires: new Date(Date.now() + 30 * 86_400_000),
    rootKeys: [publicKeySpki],
    threshold: 1,
    targetsKey: fromBase64(server.targetsKey),
    onlineKey: fromBase64(server.onlineKey),
  });
  const signer = {
    publicKeySpki,
    sign: (bytes: Uint8Array) => new Uint8Array(signBytes('sha256', bytes, privateKey)),
  };
  const document = fromUtf8(writeTuf(root, [signer]));
  await json('POST', '/api/trust/roots', { body: { document } });
  const rootPath = join(directory, 'root.json');
  writeFileSync(rootPath, document);
  trusted = await getTrustedRoot({
    mirrorURL: `${fortress.url}/tuf`,
    rootPath,
    cachePath: join(directory, 'cache'),
    retry: 0,
  });
  trustedText = await text('GET', '/trusted_root.json');
}, 120_000);
afterAll(async () => {
  await fortress?.close();
  issuer?.server.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Issuer {
  readonly url: string;
  readonly server: Server;
  token(claims: object): string;
}

/** An OpenID provider on loopback, as much of one as a federation rule asks for. */
async function openIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
  const server = createServer((request, response) => {
    const found = request.url === '/jwks' ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/jwks` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(found));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on a TCP port, so the address is an object.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    url,
    server,
    token: (claims) => {
      const now = Math.floor(Date.now() / 1000);
      const times = { iat: now, nbf: now, exp: now + 300 };
      const input = `${part({ alg: 'ES256', kid: 'one' })}.${part({ iss: url, ...times, ...claims })}`;
      const signature = signBytes('sha256', Buffer.from(input), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
      });
      return `${input}.${signature.toString('base64url')}`;
    },
  };
}

const parts = (majorApiVersion: number) => ({
  signer: new FulcioSigner({
    fulcioBaseURL: fortress.url,
    identityProvider: {
      getToken: async () => issuer.token({ aud: 'sigstore', sub: '7', email, email_verified: true }),
    },
  }),
  witnesses: [
    new RekorWitness({ rekorBaseURL: fortress.url, majorApiVersion }),
    new TSAWitness({ tsaBaseURL: fortress.url }),
  ],
});

/** Sigstore's verifier asks for one certificate log, one log and one timestamp; its defaults are not weakened here. */
function verifyAsSigstore(json: unknown, bytes?: Uint8Array): string | undefined {
  const verifier = new Verifier(toTrustMaterial(trusted), { timestampThreshold: 1 });
  const bundle = bundleFromJSON(json);
  const entity = bytes === undefined ? toSignedEntity(bundle) : toSignedEntity(bundle, Buffer.from(bytes));
  return verifier.verify(entity, { subjectAlternativeName: email }).identity?.subjectAlternativeName;
}

const verifyAsWe = (json: unknown) =>
  verifySigstoreBundle({
    bundle: JSON.stringify(json),
    trustedRoot: parseSigstoreTrustedRoot(trustedText),
    artifact: { bytes: artifact },
    policy: { identity: email, issuer: issuer.url },
  });

describe.each([1, 2])('with the log as API %i', (majorApiVersion) => {
  it('an artifact is signed without a key, and verifies', async () => {
    const made = await new MessageSignatureBundleBuilder(parts(majorApiVersion)).create({
      data: Buffer.from(artifact),
    });
    const json = bundleToJSON(made);

    expect(verifyAsSigstore(json, artifact)).toBe(email);
    expect(verifyAsWe(json).times.some(({ by }) => by === 'timestamp authority')).toBe(true);
    expect(() => verifyAsSigstore(json, utf8('another'))).toThrow();
  });

  it('a statement is signed without a key, and verifies', async () => {
    const statement = statementBytes({
      subject: { name: 'artifact', digest: digestOf(artifact) },
      predicateType: 'https://example.com/test/v1',
      predicate: { answer: 42 },
    });
    const made = await new DSSEBundleBuilder(parts(majorApiVersion)).create({
      data: Buffer.from(statement),
      type: 'application/vnd.in-toto+json',
    });
    const json = bundleToJSON(made);

    expect(verifyAsSigstore(json)).toBe(email);
    expect(verifyAsWe(json).statement?.predicateType).toBe('https://example.com/test/v1');
  });
});

it('a token of somebody else gets no certificate', async () => {
  const { witnesses } = parts(2);
  const signer = new FulcioSigner({
    fulcioBaseURL: fortress.url,
    identityProvider: {
      getToken: async () =>
        issuer.token({ aud: 'sigstore', sub: '8', email: 'eve@example.com', email_verified: true }),
    },
  });

  await expect(
    new MessageSignatureBundleBuilder({ signer, witnesses }).create({ data: Buffer.from(artifact) }),
  ).rejects.toThrow();
});
