import { Fault, fromBase64 } from '@sallyport/formats';
import type { Federation } from '../federation/federation.ts';
import type { Authority } from './authority.ts';
import { checkProof, keyOfRequest } from './proof.ts';
import { parsePublicPem } from './public-key.ts';

/** The body of fulcio's `CreateSigningCertificateRequest`, as its JSON gateway names the members. */
export interface SigningCertificateRequest {
  readonly credentials?: { readonly oidcIdentityToken?: string };
  readonly publicKeyRequest?: {
    readonly publicKey?: { readonly algorithm?: string; readonly content?: string };
    /** Base64. */
    readonly proofOfPossession?: string;
  };
  /** Base64, of PEM. */
  readonly certificateSigningRequest?: string;
}

/**
 * Answers a request for a certificate: who comes is proven by the token, the key by a signature. `bearer` counts where
 * the body brings no token, as some clients send it. Gives the chain in PEM, leaf first.
 */
export async function answerRequest(
  deps: { readonly federation: Federation; readonly authority: Authority },
  request: SigningCertificateRequest,
  bearer: string | undefined,
): Promise<readonly string[]> {
  const token = request.credentials?.oidcIdentityToken || bearer;
  if (token === undefined) {
    throw new Fault('unauthenticated', 'signing.token_missing', 'expected an identity token, got none', {
      hint: 'send it as credentials.oidcIdentityToken',
    });
  }
  const { publicKeyRequest, certificateSigningRequest } = request;
  if ((publicKeyRequest === undefined) === (certificateSigningRequest === undefined)) {
    throw new Fault(
      'invalid',
      'signing.request_invalid',
      'expected one of publicKeyRequest and certificateSigningRequest',
    );
  }
  // The token first: who is nobody gets no signature of theirs checked. A token may come again while it lives, as one
  // job signs many things; whoever replays it together with its proof gets a certificate for a key they do not have.
  const principal = await deps.federation.authenticate(token);
  if (certificateSigningRequest !== undefined) {
    const key = keyOfRequest(base64(certificateSigningRequest, 'certificateSigningRequest'));
    return deps.authority.issue(principal, key);
  }
  const key = parsePublicPem(publicKeyRequest?.publicKey?.content ?? '');
  const proof = base64(publicKeyRequest?.proofOfPossession ?? '', 'proofOfPossession');
  checkProof(key, principal.challenge, proof);
  return deps.authority.issue(principal, key);
}

function base64(text: string, name: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new Fault('invalid', 'signing.request_invalid', `expected "${name}" in base64`, { cause });
  }
}
