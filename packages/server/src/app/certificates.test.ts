import { execFileSync, spawnSync } from 'node:child_process';
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, parseDer, sha256 } from '@sallyport/formats';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial } from '@sigstore/verify';
import { verifyCertificate } from '@sigstore/verify/dist/key/index.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorityAudited, federationAudited } from '#signing';
import { person } from '../../test-support/fakes.ts';
import { githubClaims } from '../../test-support/oidc-issuer.ts';
import { type CertificateWorld, openCertificateWorld } from './certificates.fixture.ts';

const openssl = spawnSync('openssl', ['version']).status === 0;
if (!openssl) console.warn('openssl is not installed: its view of certificates is skipped');

let world: CertificateWorld;
const admin = person('ada');

beforeAll(async () => {
  world = await openCertificateWorld({ routes: [], actors: { ada: admin } });
  const { issuer, federation, publicUrl } = world;
  const rule = { issuer: issuer.url, audience: 'sigstore', kind: 'github' };
  await federation.add(
    { ...rule, name: 'shop', claims: { repository_id: '74', ref: 'refs/heads/main' } },
    admin,
  );
  await federation.add(
    {
      name: 'own-steps',
      kind: 'sallyport',
      issuer: publicUrl,
      audience: publicUrl,
      claims: { project: 'shop', service: 'orders', step: 'sign' },
    },
    admin,
  );
});
afterAll(() => world.close());

interface Answer {
  readonly status: number;
  readonly chain: readonly string[];
  readonly code: number | undefined;
}

async function ask(body: object, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${world.http.url}/api/v2/signingCert`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const answer = JSON.parse(await response.text());
  return {
    status: response.status,
    chain: answer.signedCertificateEmbeddedSct?.chain.certificates ?? [],
    code: answer.code,
  };
}

function newKey(curve = 'P-256') {
  return generateKeyPairSync('ec', { namedCurve: curve });
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function request(token: string, key = newKey(), challenge: string = githubClaims.sub) {
  return {
    credentials: { oidcIdentityToken: token },
    publicKeyRequest: {
      publicKey: { algorithm: 'ECDSA', content: pem(key.publicKey) },
      proofOfPossession: sign('sha256', Buffer.from(challenge), key.privateKey).toString('base64'),
    },
  };
}

async function trustedRoot() {
  const chains = await world.authority.chains();
  const log = await world.authority.certificateLog();
  return TrustedRoot.fromJSON({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [],
    certificateAuthorities: chains.map(({ certificates, validFrom }) => ({
      subject: { organization: 'acme', commonName: 'root' },
      uri: world.publicUrl,
      certChain: {
        certificates: certificates.map((each) => ({ rawBytes: Buffer.from(each).toString('base64') })),
      },
      validFor: { start: validFrom.toISOString() },
    })),
    ctlogs: [
      {
        baseUrl: world.publicUrl,
        hashAlgorithm: 'SHA2_256',
        publicKey: {
          rawBytes: Buffer.from(log.publicKeySpki).toString('base64'),
          keyDetails: 'PKIX_ECDSA_P256_SHA_256',
          validFor: { start: log.validFrom.toISOString() },
        },
        logId: { keyId: Buffer.from(log.logId).toString('base64') },
      },
    ],
    timestampAuthorities: [],
  });
}

/** Path to the root, signed certificate timestamp and identity, checked by Sigstore's own client. */
async function verifyWithSigstore(chain: readonly string[], root?: TrustedRoot): Promise<void> {
  const [leaf = ''] = chain;
  const bundle = bundleFromJSON({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      certificate: { rawBytes: new X509Certificate(leaf).raw.toString('base64') },
      tlogEntries: [],
      timestampVerificationData: { rfc3161Timestamps: [] },
    },
    messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' },
  });
  const { key } = toSignedEntity(bundle, Buffer.from('artifact'));
  if (key.$case !== 'certificate') throw new Error('expected a bundle with a certificate');
  const material = toTrustMaterial(root ?? (await trustedRoot()));
  const { scts, signer } = verifyCertificate(key.certificate, [world.clock.now()], material);
  expect(scts).toHaveLength(1);
  expect(signer.identity).toMatchObject({
    subjectAlternativeName: `https://github.com/${githubClaims.job_workflow_ref}`,
    extensions: { issuer: world.issuer.url },
  });
}

/** Values of the extensions by the bytes of their identifiers. */
function extensionsOf(leafPem: string): ReadonlyMap<string, Buffer> {
  const certificate = parseDer(new X509Certificate(leafPem).raw);
  const extensions = certificate.children[0]?.children.at(-1)?.children[0]?.children ?? [];
  return new Map(
    extensions.map((each) => [
      Buffer.from(each.children[0]?.content ?? []).toString('hex'),
      Buffer.from(each.children.at(-1)?.content ?? []),
    ]),
  );
}

describe('a certificate for a GitHub workflow', () => {
  it('is accepted, with its signed timestamp and its identity, by @sigstore/verify', async () => {
    const { status, chain } = await ask(request(world.issuer.token(githubClaims)));

    expect(status).toBe(200);
    expect(chain).toHaveLength(3);
    await verifyWithSigstore(chain);
  });

  it('is refused by it when another log or another authority is trusted', async () => {
    const { chain } = await ask(request(world.issuer.token(githubClaims)));
    const [otherLog, otherAuthority] = [await trustedRoot(), await trustedRoot()];
    const spki = newKey().publicKey.export({ type: 'spki', format: 'der' });
    for (const log of otherLog.ctlogs) if (log.publicKey !== undefined) log.publicKey.rawBytes = spki;
    for (const { certChain } of otherAuthority.certificateAuthorities)
      for (const each of certChain?.certificates ?? [])
        each.rawBytes = new X509Certificate(chain[0] ?? '').raw;

    await expect(verifyWithSigstore(chain, otherLog)).rejects.toThrow(/SCT/);
    await expect(verifyWithSigstore(chain, otherAuthority)).rejects.toThrow();
  });

  it('has no subject, one critical name, ten minutes, and every extension of its issuer', async () => {
    const { chain } = await ask(request(world.issuer.token(githubClaims)));
    const leaf = new X509Certificate(chain[0] ?? '');
    expect(leaf.subject ?? '').toBe('');
    expect(leaf.subjectAltName).toBe(`URI:https://github.com/${githubClaims.job_workflow_ref}`);
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(600_000);
    expect(leaf.serialNumber).toMatch(/^[4-7][0-9A-F]{39}$/);
    expect(leaf.ca).toBe(false);
    const arc = (last: number) => `2b06010401 83bf3001${last.toString(16).padStart(2, '0')}`.replace(' ', '');
    const extensions = extensionsOf(chain[0] ?? '');
    const raw = (last: number) => extensions.get(arc(last))?.toString();
    const utf8String = (last: number) => {
      const node = parseDer(extensions.get(arc(last)) ?? Buffer.alloc(0));
      expect(node.tag).toBe(0x0c);
      return fromUtf8(node.content);
    };
    expect([1, 2, 3, 4, 5, 6].map(raw)).toEqual([
      world.issuer.url,
      'push',
      githubClaims.sha,
      'release',
      'acme/shop',
      'refs/heads/main',
    ]);
    expect(Array.from({ length: 15 }, (_, i) => utf8String(i + 8))).toEqual([
      world.issuer.url,
      `https://github.com/${githubClaims.job_workflow_ref}`,
      githubClaims.job_workflow_sha,
      'github-hosted',
      'https://github.com/acme/shop',
      githubClaims.sha,
      'refs/heads/main',
      '74',
      'https://github.com/acme',
      '65',
      `https://github.com/${githubClaims.workflow_ref}`,
      githubClaims.workflow_sha,
      'push',
      'https://github.com/acme/shop/actions/runs/30433642/attempts/2',
      'private',
    ]);
    expect(extensions.has(arc(23))).toBe(false);
    expect(utf8String(24)).toBe(githubClaims.sub);
  });

  it.skipIf(!openssl)('reads in openssl as a certificate for code signing, and as nothing else', async () => {
    const { chain } = await ask(request(world.issuer.token(githubClaims)));

    const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: chain[0], encoding: 'utf8' });

    expect(text).toMatch(/X509v3 Subject Alternative Name: critical/);
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/X509v3 Extended Key Usage: \s+Code Signing\n/);
    expect(text).toMatch(/CT Precertificate SCTs:[\s\S]*Version {3}: v1/);
  });

  it.skipIf(!openssl)('verifies with openssl, strictly, and not as a server', async () => {
    const { chain } = await ask(request(world.issuer.token(githubClaims)));
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-chain-'));
    const file = async (name: string, content = '') => {
      await writeFile(join(directory, name), content);
      return join(directory, name);
    };
    const [leaf, intermediate, root] = [
      await file('leaf', chain[0]),
      await file('intermediate', chain[1]),
      await file('root', chain[2]),
    ];
    const verifyFor = (purpose: string) =>
      execFileSync(
        'openssl',
        ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', root, '-untrusted', intermediate, leaf],
        { encoding: 'utf8', stdio: 'pipe' },
      );

    expect(verifyFor('any')).toContain('OK');
    expect(() => verifyFor('sslserver')).toThrow();
  });

  it('leaves after its entry is durable, and the entry is what the timestamp signs', async () => {
    const { chain } = await ask(request(world.issuer.token(githubClaims)));
    const leaf = new X509Certificate(chain[0] ?? '');
    const issuer = new X509Certificate(chain[1] ?? '');
    const issuerSpki = issuer.publicKey.export({ type: 'spki', format: 'der' });
    while ((await world.ledger.integrate()) > 0);
    const size = Number((await world.ledger.checkpoint()).split('\n')[1]);
    const entries = await entriesOf(size);
    const serial = Buffer.from(leaf.serialNumber, 'hex');

    const mine = entries.filter((entry) => entry.includes(serial));

    // RFC 6962 section 3.4: version, leaf type, time, precertificate entry, hash of the issuer's key.
    expect(mine).toHaveLength(1);
    const [entry = Buffer.alloc(0)] = mine;
    expect(entry.subarray(0, 2)).toEqual(Buffer.from([0, 0]));
    expect(Number(entry.readBigUInt64BE(2))).toBe(world.clock.now().getTime());
    expect(entry.subarray(10, 44)).toEqual(Buffer.from([0, 1, ...sha256(issuerSpki)]));
    const list = extensionsOf(chain[0] ?? '').get('2b06010401d679020402') ?? Buffer.alloc(0);
    const sct = Buffer.from(parseDer(list).content).subarray(4);
    const { publicKeySpki } = await world.authority.certificateLog();
    const key = createPublicKey({ key: Buffer.from(publicKeySpki), format: 'der', type: 'spki' });
    expect(verify('sha256', entry, key, sct.subarray(47))).toBe(true);
  });
});

async function entriesOf(size: number): Promise<Buffer[]> {
  const entries: Buffer[] = [];
  for (let index = 0; index * 256 < size; index += 1) {
    const bundle = Buffer.from(
      (await world.ledger.entryBundle(index, Math.min(256, size - index * 256))) ?? [],
    );
    for (let at = 0; at < bundle.length; ) {
      const length = bundle.readUInt16BE(at);
      entries.push(bundle.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return entries;
}

describe('what a client sends', () => {
  it.skipIf(!openssl)('may be a certificate request, whose own names count for nothing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-csr-'));
    const keyFile = join(directory, 'key.pem');
    const names = 'subjectAltName=email:eve@evil.test,URI:https://evil.test/x,DNS:evil.test';
    execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile]);
    const csr = execFileSync(
      'openssl',
      ['req', '-new', '-key', keyFile, '-subj', '/CN=eve/emailAddress=eve@evil.test', '-addext', names],
      { stdio: 'pipe' },
    );

    const { status, chain } = await ask(
      { certificateSigningRequest: csr.toString('base64') },
      { authorization: `Bearer ${world.issuer.token(githubClaims)}` },
    );

    expect(status).toBe(200);
    expect(chain[0]).toBeDefined();
    const leaf = new X509Certificate(chain[0] ?? '');
    expect(leaf.subjectAltName).toBe(`URI:https://github.com/${githubClaims.job_workflow_ref}`);
    expect(leaf.toString() + leaf.raw.toString('latin1')).not.toContain('evil');
  });

  it('may be proven by P-384, P-521, Ed25519 and RSA keys', async () => {
    const challenge = Buffer.from(githubClaims.sub);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ed = generateKeyPairSync('ed25519');
    const proofs: [KeyObject, Buffer][] = [
      ...(['P-384', 'P-521'] as const).flatMap((curve): [KeyObject, Buffer][] => {
        const key = newKey(curve);
        const hash = curve === 'P-384' ? 'sha384' : 'sha512';
        return [
          [key.publicKey, sign(hash, challenge, key.privateKey)],
          [key.publicKey, sign('sha256', challenge, key.privateKey)],
        ];
      }),
      [ed.publicKey, sign(null, challenge, ed.privateKey)],
      [rsa.publicKey, sign('sha256', challenge, rsa.privateKey)],
    ];

    for (const [key, proof] of proofs) {
      const { status, chain } = await ask({
        credentials: { oidcIdentityToken: world.issuer.token(githubClaims) },
        publicKeyRequest: { publicKey: { content: pem(key) }, proofOfPossession: proof.toString('base64') },
      });
      expect(status).toBe(200);
      expect(pem(new X509Certificate(chain[0] ?? '').publicKey)).toBe(pem(key));
    }
  });

  it('is refused when the proof is of another key, another text, or for another token', async () => {
    const token = world.issuer.token(githubClaims);
    const [mine, other] = [newKey(), newKey()];
    const stolen = request(token, mine);
    stolen.publicKeyRequest.publicKey.content = pem(other.publicKey);

    expect(await ask(stolen)).toMatchObject({ status: 400, code: 3, chain: [] });
    expect(await ask(request(token, mine, 'repo:acme/other'))).toMatchObject({ status: 400, code: 3 });
    expect(await ask(request(token, mine, ''))).toMatchObject({ status: 400, code: 3 });
  });

  it('is refused with a token that is forged, stale, for somebody else, or that no rule lets in', async () => {
    const { issuer, clock } = world;
    const seconds = Math.floor(clock.now().getTime() / 1000);
    const unsigned = `${issuer.token(githubClaims, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`;
    const unauthenticated = [
      unsigned,
      `${unsigned}AAAA`,
      issuer.token(githubClaims, { kid: 'key-2', alg: 'HS256' }),
      issuer.token(githubClaims).slice(0, -8),
      issuer.token({ ...githubClaims, iss: 'https://issuer.evil.test' }),
      issuer.token({ ...githubClaims, exp: seconds - 61, iat: seconds - 600, nbf: seconds - 600 }),
      issuer.token({ ...githubClaims, iat: seconds + 120, exp: seconds + 600 }),
      issuer.token({ ...githubClaims, exp: seconds + 30 * 24 * 3600 }),
      issuer.token({ ...githubClaims, exp: undefined }),
      'not a token',
    ];
    const denied = [
      issuer.token({ ...githubClaims, aud: 'another' }),
      issuer.token({ ...githubClaims, aud: ['sigstore', 'another'] }),
      issuer.token({ ...githubClaims, aud: undefined }),
      issuer.token({ ...githubClaims, repository_id: '75' }),
      issuer.token({ ...githubClaims, repository_id: undefined }),
      issuer.token({ ...githubClaims, ref: 'refs/heads/main2' }),
    ];

    for (const token of unauthenticated)
      expect(await ask(request(token)), token.slice(0, 90)).toMatchObject({ status: 401, code: 16 });
    for (const token of denied)
      expect(await ask(request(token)), token.slice(0, 90)).toMatchObject({ status: 403, code: 7 });
    expect(await ask({ ...request(''), credentials: {} })).toMatchObject({ status: 401, code: 16 });
  });

  it('is refused with two keys, no key, or more than a request needs', async () => {
    const whole = request(world.issuer.token(githubClaims));

    expect(await ask({ ...whole, certificateSigningRequest: 'AAAA' })).toMatchObject({
      status: 400,
      code: 3,
    });
    expect(await ask({ credentials: whole.credentials })).toMatchObject({ status: 400, code: 3 });
    expect(await ask({ ...whole, padding: 'x'.repeat(70_000) })).toMatchObject({ chain: [] });
  });

  it('is refused when the token lacks what its certificate has to say', async () => {
    const token = world.issuer.token({ ...githubClaims, runner_environment: undefined });

    expect(await ask(request(token))).toMatchObject({ status: 400, code: 3 });
  });
});

describe('our own steps', () => {
  it('get a certificate that names the step, until the step ends', async () => {
    const { identity, test, publicUrl } = world;
    const runId = 'run_00000000-0000-7000-8000-000000000001';
    const jwt = await test.db.write((tx) =>
      identity.issueStepToken(tx, {
        runId,
        step: 'sign',
        project: 'shop',
        service: 'orders',
        trust: 'trusted',
        commit: 'a'.repeat(40),
        ref: 'refs/heads/main',
        audience: publicUrl,
        ttlSeconds: 300,
      }),
    );
    const challenge = 'project:shop:env:build:step:sign';

    const first = await ask(request(jwt, newKey(), challenge));
    await test.db.write((tx) => identity.endStepTokens(tx, runId));
    const second = await ask(request(jwt, newKey(), challenge));

    expect(first.status).toBe(200);
    expect(new X509Certificate(first.chain[0] ?? '').subjectAltName).toBe(
      `URI:${publicUrl}/projects/shop/services/orders/environments/build/steps/sign`,
    );
    expect(second).toMatchObject({ status: 401, chain: [] });
  });
});

describe('the chains', () => {
  it('overlap when the authority is rotated: what was issued before is verified as before', async () => {
    const key = newKey();
    const before = await ask(request(world.issuer.token(githubClaims), key));

    const intermediate = await world.authority.rotate({ newRoot: false }, admin);
    const after = await ask(request(world.issuer.token(githubClaims), key));
    await world.authority.rotate({ newRoot: true }, admin);
    const last = await ask(request(world.issuer.token(githubClaims), key));

    const bundle = await (await fetch(`${world.http.url}/api/v2/trustBundle`)).json();
    expect(bundle).toMatchObject({ chains: [{}, {}, {}] });
    expect(intermediate.number).toBe(2);
    expect(after.chain[1]).not.toBe(before.chain[1]);
    expect(after.chain[2]).toBe(before.chain[2]);
    expect(last.chain[2]).not.toBe(before.chain[2]);
    for (const { chain } of [before, after, last]) await verifyWithSigstore(chain);
  });

  it('that somebody wrote into the table issue nothing', async () => {
    const [chain] = await world.authority.chains();
    const forged = new X509Certificate(Buffer.from(chain?.certificates[0] ?? []));

    expect(forged.verify(forged.publicKey)).toBe(false);
    expect(await world.ledger.verify([authorityAudited(), federationAudited()])).toMatchObject({
      findings: [],
    });
  });

  it('and the issuers are told to clients, the projects are not', async () => {
    const text = await (await fetch(`${world.http.url}/api/v2/configuration`)).text();

    expect(JSON.parse(text).issuers).toContainEqual({
      issuerUrl: world.issuer.url,
      audience: 'sigstore',
      challengeClaim: 'sub',
    });
    expect(text).not.toContain('74');
  });
});
