import { Fault, toBase64 } from '@sallyport/formats';
import { importPKCS8, SignJWT } from 'jose';
import type { Clock } from '#platform';
import { createCached, type Expiring } from './cached.ts';
import { type RemoteKey, sealAad } from './remote-seal.ts';
import { bytesOf, type JsonObject, objectOf, type SealCall, type SealHttp, textField } from './seal-http.ts';
import { readSecretFile } from './secret-file.ts';

export interface GcpKmsConfig {
  readonly kind: 'gcpckms';
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…` of a symmetric key. */
  readonly key: string;
  /** A service account's key file; without it the metadata service of the machine is asked. */
  readonly credentialsFile?: string;
  readonly endpoint?: string;
  readonly metadataUrl?: string;
}

const service = 'Google Cloud KMS';
const tokenService = 'the credentials service of Google Cloud';
const keyPattern = /^projects\/[\w.:-]+\/locations\/[\w-]+\/keyRings\/[\w-]+\/cryptoKeys\/[\w-]+$/;
const oauthScope = 'https://www.googleapis.com/auth/cloudkms';

export function gcpKmsKey(
  config: GcpKmsConfig,
  { http, clock }: { http: SealHttp; clock: Clock },
): RemoteKey {
  if (!keyPattern.test(config.key)) {
    throw new Fault(
      'invalid',
      'keyring.seal_config',
      'expected a key "projects/…/locations/…/keyRings/…/cryptoKeys/…", got another text',
    );
  }
  const base = (config.endpoint ?? 'https://cloudkms.googleapis.com').replace(/\/$/, '');
  const token = createCached(clock, () =>
    config.credentialsFile === undefined
      ? fromMetadata(config, http, clock)
      : fromKeyFile(config.credentialsFile, http, clock),
  );

  function call(
    action: 'encrypt' | 'decrypt',
    field: 'plaintext' | 'ciphertext',
    bytes: Uint8Array,
  ): SealCall {
    return {
      service,
      build: async () => ({
        url: `${base}/v1/${config.key}:${action}`,
        method: 'POST',
        headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ [field]: toBase64(bytes), additionalAuthenticatedData: toBase64(sealAad) }),
      }),
      doesNotOpen: (status) => action === 'decrypt' && status === 400,
    };
  }

  return {
    kind: config.kind,
    name: config.key,
    async encrypt(plaintext) {
      const answer = await http.json(call('encrypt', 'plaintext', plaintext));
      return bytesOf(textField(answer, 'ciphertext', service));
    },
    async decrypt(blob) {
      const answer = await http.json(call('decrypt', 'ciphertext', blob));
      return bytesOf(textField(answer, 'plaintext', service));
    },
  };
}

async function fromMetadata(config: GcpKmsConfig, http: SealHttp, clock: Clock): Promise<Expiring<string>> {
  const base = config.metadataUrl ?? 'http://metadata.google.internal';
  const answer = await http.json({
    service: tokenService,
    build: () => ({
      url: `${base}/computeMetadata/v1/instance/service-accounts/default/token`,
      method: 'GET',
      headers: { 'metadata-flavor': 'Google' },
    }),
  });
  return tokenOf(answer, clock);
}

/** RFC 7523 section 2.1: a signed assertion of the service account in exchange for a token. */
async function fromKeyFile(path: string, http: SealHttp, clock: Clock): Promise<Expiring<string>> {
  const file = objectOf(await readSecretFile(path)) ?? {};
  const account = textField(file, 'client_email', tokenService);
  const tokenUri = textField(file, 'token_uri', tokenService);
  const key = await importPKCS8(textField(file, 'private_key', tokenService), 'RS256').catch(() => {
    // The cause could hold parts of the key.
    throw new Fault('invalid', 'keyring.seal_config', `expected a PKCS #8 key in "${path}", got none`);
  });
  const answer = await http.json({
    service: tokenService,
    async build() {
      const issued = Math.floor(clock.now().getTime() / 1000);
      const assertion = await new SignJWT({ scope: oauthScope })
        .setProtectedHeader({
          alg: 'RS256',
          typ: 'JWT',
          kid: textField(file, 'private_key_id', tokenService),
        })
        .setIssuer(account)
        .setAudience(tokenUri)
        .setIssuedAt(issued)
        .setExpirationTime(issued + 600)
        .sign(key);
      const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
      return {
        url: tokenUri,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(grant).toString(),
      };
    },
  });
  return tokenOf(answer, clock);
}

/** An OAuth 2.0 token answer (RFC 6749 section 5.1), as Google and Azure give it. */
export function tokenOf(answer: JsonObject, clock: Clock): Expiring<string> {
  const seconds = Number(answer['expires_in']);
  const lifetimeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  return {
    value: textField(answer, 'access_token', 'the token service'),
    expiresAt: clock.now().getTime() + lifetimeMs,
  };
}
