import { toBase64 } from '@sallyport/formats';
import type { Clock } from '#platform';
import { awsCredentials, type Environment } from './aws-credentials.ts';
import { signAws } from './aws-signature.ts';
import { type RemoteKey, sealAadHex, sealPurpose } from './remote-seal.ts';
import { bytesOf, type SealCall, type SealHttp, textField } from './seal-http.ts';

export interface AwsKmsConfig {
  readonly kind: 'awskms';
  readonly region: string;
  /** Id, ARN or alias of a symmetric key. */
  readonly keyId: string;
  /** Of a private endpoint; AWS's own for the region when absent. */
  readonly endpoint?: string;
  readonly metadataUrl?: string;
  readonly tokenServiceUrl?: string;
}

const service = 'AWS KMS';
/** Refusals of Decrypt that say that the bytes are not what this key and context gave. */
const wrongBytes = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);
const throttled = new Set(['ThrottlingException', 'KMSInternalException', 'DependencyTimeoutException']);

export function awsKmsKey(
  config: AwsKmsConfig,
  { http, clock, environment }: { http: SealHttp; clock: Clock; environment: Environment },
): RemoteKey {
  const { region, keyId, metadataUrl, tokenServiceUrl } = config;
  const url = new URL(config.endpoint ?? `https://kms.${region}.amazonaws.com/`).href;
  const credentials = awsCredentials({ http, clock, environment, region, metadataUrl, tokenServiceUrl });

  function call(action: 'Encrypt' | 'Decrypt', fields: Readonly<Record<string, string>>): SealCall {
    const context = { purpose: sealPurpose, binding: sealAadHex };
    const body = JSON.stringify({ KeyId: keyId, EncryptionContext: context, ...fields });
    return {
      service,
      async build() {
        const headers = {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `TrentService.${action}`,
        };
        const request = { method: 'POST', url, headers, body };
        const signed = signAws(request, { region, service: 'kms' }, await credentials(), clock.now());
        return { url, method: 'POST', headers: signed, body };
      },
      doesNotOpen: (_status, code) => action === 'Decrypt' && wrongBytes.has(code),
      again: (code) => throttled.has(code),
    };
  }

  return {
    kind: config.kind,
    name: `${region}/${keyId}`,
    async encrypt(plaintext) {
      const answer = await http.json(call('Encrypt', { Plaintext: toBase64(plaintext) }));
      return bytesOf(textField(answer, 'CiphertextBlob', service));
    },
    async decrypt(blob) {
      const answer = await http.json(call('Decrypt', { CiphertextBlob: toBase64(blob) }));
      return bytesOf(textField(answer, 'Plaintext', service));
    },
  };
}
