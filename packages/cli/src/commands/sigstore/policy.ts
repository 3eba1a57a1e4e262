import { Fault, parsePattern, parsePublicKeyPem, type SigstorePolicy } from '@sallyport/formats';
import { readNamed } from '../../input.ts';

/** Whose signature the flags ask for; none, or two answers to one question, is Fault `cli.usage`. */
export function policyOf(flag: (name: string) => string | undefined): SigstorePolicy {
  const key = flag('key');
  const [identity, issuer] = ['certificate-identity', 'certificate-oidc-issuer'].map((name) =>
    wanted(flag, name),
  );
  if (key !== undefined) {
    if (identity !== undefined || issuer !== undefined) throw usage('either --key or an identity', 'both');
    return { key: parsePublicKeyPem(readNamed(key)), subjects: 'many' };
  }
  if (identity === undefined) throw usage('--certificate-identity or --key', 'nothing');
  if (issuer === undefined) throw usage('--certificate-oidc-issuer', 'nothing');
  // The file or digest is asked for as a subject of the statement, whatever other subjects that has.
  return { identity, issuer, subjects: 'many' };
}

function wanted(flag: (name: string) => string | undefined, name: string) {
  const [exact, pattern] = [flag(name), flag(`${name}-regexp`)];
  if (exact !== undefined && pattern !== undefined)
    throw usage(`either --${name} or --${name}-regexp`, 'both');
  return pattern === undefined ? exact : parsePattern(pattern);
}

function usage(expected: string, got: string): Fault {
  return new Fault('invalid', 'cli.usage', `expected ${expected}, got ${got}`, {
    hint: 'sally sigstore verify-bundle --help shows what it takes',
  });
}
