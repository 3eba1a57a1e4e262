import type { VerifyingKey } from '../crypto/verifying-key.ts';
import type { CertificateIdentity } from '../x509/identity.ts';
import type { Pattern } from './pattern.ts';
import { refusal } from './refusal.ts';

/** One value exactly, or a pattern for the whole of it. */
export type Wanted = string | Pattern;

/**
 * Whose signatures are accepted: those of an identity that an issuer vouched for, or those of a public key; with both,
 * those of the identity by that key. There is no policy that accepts everybody.
 */
export interface SigstorePolicy {
  readonly identity?: Wanted;
  readonly issuer?: Wanted;
  readonly key?: VerifyingKey;
  readonly thresholds?: Thresholds;
  /** Whether a statement may be about several subjects, of which the artifact is one; otherwise it must be the only one. */
  readonly subjects?: 'one' | 'many';
}

/** How many independent witnesses of each kind must agree; 1 when absent. */
export interface Thresholds {
  /** Logs that have the entry. */
  readonly logs?: number;
  /** Certificate logs that promised to publish the certificate. */
  readonly scts?: number;
  /** Clocks: timestamp authorities, and logs that signed their time. With a certificate at least 1, always. */
  readonly times?: number;
}

/** Whether a name must have signed; together with a key both must hold. */
export function asksIdentity({ identity, issuer }: SigstorePolicy): boolean {
  return identity !== undefined || issuer !== undefined;
}

/** Throws unless policy and bundle fit, and the certificate's identity is the one that is wanted. */
export function requireIdentity(policy: SigstorePolicy, identity: CertificateIdentity): void {
  const { identity: name, issuer } = policy;
  if (name === undefined || issuer === undefined) {
    throw refusal(
      'identity',
      'a policy with identity and issuer for a bundle with a certificate',
      'one without',
    );
  }
  // A name alone proves nothing: any issuer of the authority could have vouched for it.
  if (!fits(issuer, identity.issuer))
    throw refusal('identity', 'the issuer of the policy', shown(identity.issuer));
  if (!fits(name, identity.name))
    throw refusal('identity', 'the identity of the policy', shown(identity.name));
}

function fits(wanted: Wanted, value: string | undefined): boolean {
  if (value === undefined) return false;
  return typeof wanted === 'string' ? wanted === value : wanted.matches(value);
}

function shown(value: string | undefined): string {
  return value === undefined ? 'none' : JSON.stringify(value.slice(0, 200));
}
