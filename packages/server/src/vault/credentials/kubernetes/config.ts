import { createHash } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import type { Fields } from '../../fields.ts';
import { parseEndpoint } from '../fetch/endpoint.ts';
import { parsePemKeys, type VerificationKey } from '../jwt/keys.ts';
import { invalidSetting } from '../login.ts';

/** The configuration of one mount of auth/kubernetes. */
export interface KubernetesConfig {
  /** Where the API server answers; without it tokens are verified by `keys` alone. */
  readonly reviewUrl: URL | undefined;
  readonly caPem: string;
  /** Whose right to review tokens is used; without it the token reviews itself. */
  readonly reviewer: SecretBytes | undefined;
  readonly keys: readonly VerificationKey[];
  /** Required in the tokens, unless empty. */
  readonly issuer: string;
  /** Equal for equal sources of truth. */
  readonly fingerprint: string;
}

/**
 * Reads the fields of `POST auth/<mount>/config` as Vault names them. With `pem_keys` and `kubernetes_host`, a token
 * must satisfy both. With `pem_keys` alone it is verified here: no question to the cluster, at the price that a token
 * of a deleted account is good until it expires. Throws `Fault('invalid')`.
 */
export function parseKubernetesConfig(fields: Fields): KubernetesConfig {
  const host = fields.text('kubernetes_host');
  const keys = parsePemKeys(fields.list('pem_keys'), 'pem_keys');
  if (host === '' && keys.length === 0) throw invalidSetting("'kubernetes_host' or 'pem_keys' must be set");
  const reviewer = fields.text('token_reviewer_jwt');
  const caPem = fields.text('kubernetes_ca_cert');
  // Vault's default since 1.9: the API server, which is asked anyway, knows its issuer best.
  const validatesIssuer = !fields.boolean('disable_iss_validation', true);
  const issuer = fields.text('issuer') || 'kubernetes/serviceaccount';
  const reviewUrl = host === '' ? undefined : reviewUrlOf(host);
  return {
    reviewUrl,
    caPem,
    reviewer: reviewer === '' ? undefined : SecretBytes.fromUtf8(reviewer),
    keys,
    issuer: validatesIssuer ? issuer : '',
    fingerprint: createHash('sha256')
      .update(JSON.stringify([reviewUrl?.href, caPem, keys.map(({ key }) => exported(key))]))
      .digest('base64url'),
  };
}

function reviewUrlOf(host: string): URL {
  const base = parseEndpoint(host, 'kubernetes_host');
  if (base.search !== '') throw invalidSetting("expected 'kubernetes_host' without a query");
  return new URL(`${base.href.replace(/\/$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`);
}

function exported(key: VerificationKey['key']): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64url');
}
