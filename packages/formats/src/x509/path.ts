import { equalBytes } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { type Certificate, extensionOf } from './certificate.ts';
import { oids } from './oids.ts';
import { verifySigned } from './signed.ts';
import { usageOf } from './usage.ts';

export interface PathQuestion {
  readonly leaf: Certificate;
  /** Certificates that may stand between; none of them is believed for being here. */
  readonly intermediates: readonly Certificate[];
  /** Certificates that are believed. Their own signature is not looked at. */
  readonly anchors: readonly Certificate[];
  /** When the leaf signed, in milliseconds since 1970. Every certificate of the path must be valid then. */
  readonly at: number;
  /** Identifier of the purpose that the leaf must have, and no authority of the path may exclude. */
  readonly purpose: string;
}

/** Leaf, at most five authorities between, anchor. */
const maxPath = 7;
/** Signatures that are tried before giving up: many certificates with one name would make the search a weapon. */
const maxAttempts = 64;
const anyPurpose = '2.5.29.37.0';

/** Critical extensions that are understood here or by whoever reads the leaf; any other critical one refuses. */
const understood: ReadonlySet<string> = new Set([
  oids.keyUsage,
  oids.basicConstraints,
  oids.extKeyUsage,
  oids.subjectAltName,
]);

/**
 * The path from the leaf to an anchor (RFC 5280 section 6.1, without policies and names, which refuse when they are
 * critical or constrain): valid at the time, for the purpose, within the path lengths. Throws Fault `integrity` with
 * what was missing.
 * KNOWN LIMIT: name constraints are not applied, a path that has some is refused; no CRL and no OCSP is asked.
 */
export function verifyPath(question: PathQuestion): readonly Certificate[] {
  const { leaf, at, purpose } = question;
  requireLeaf(leaf, at, purpose);
  const search = { attempts: 0, reason: 'an issuer that is trusted' };
  const path = climb(question, [leaf], search);
  if (path === undefined) throw pathFault(search.reason);
  return path;
}

function requireLeaf(leaf: Certificate, at: number, purpose: string): void {
  const usage = usageOf(leaf);
  const flaw = unsound(leaf, at);
  if (flaw !== undefined) throw pathFault(flaw);
  if (usage.isAuthority) throw pathFault('a leaf that is no authority');
  if (usage.keyUsage?.digitalSignature !== true) throw pathFault('a leaf for digital signatures');
  if (usage.purposes?.includes(purpose) !== true) throw pathFault(`a leaf for the purpose ${purpose}`);
}

/** What keeps a certificate out of any path, or undefined when nothing does. */
function unsound(certificate: Certificate, at: number): string | undefined {
  if (at < certificate.notBefore || at > certificate.notAfter) {
    return `certificates that are valid at ${new Date(at).toISOString()}`;
  }
  const unknown = certificate.extensions.find(({ oid, critical }) => critical && !understood.has(oid));
  if (unknown !== undefined) return `critical extensions that are understood, not ${unknown.oid}`;
  if (extensionOf(certificate, oids.nameConstraints) !== undefined) {
    return 'certificates without name constraints, which are not applied here';
  }
  return undefined;
}

function climb(
  question: PathQuestion,
  path: readonly Certificate[],
  search: { attempts: number; reason: string },
): readonly Certificate[] | undefined {
  const child = path.at(-1);
  if (child === undefined || path.length >= maxPath) return undefined;
  for (const [issuers, trusted] of [
    [question.anchors, true],
    [question.intermediates, false],
  ] as const) {
    for (const issuer of issuers) {
      if (!equalBytes(issuer.subject, child.issuer) || path.includes(issuer)) continue;
      if (++search.attempts > maxAttempts) throw pathFault(`a path that is found in ${maxAttempts} attempts`);
      if (!verifySigned(issuer.key, child.algorithm, child.tbs.bytes, child.signature)) {
        search.reason = 'certificates that their issuer signed';
        continue;
      }
      const missing = lacking(issuer, path.length - 1, question);
      if (missing !== undefined) {
        search.reason = missing;
        continue;
      }
      const longer = [...path, issuer];
      const found = trusted ? longer : climb(question, longer, search);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** What keeps `issuer` from having `below` authorities under it, or undefined when nothing does. */
function lacking(issuer: Certificate, below: number, { at, purpose }: PathQuestion): string | undefined {
  const usage = usageOf(issuer);
  const flaw = unsound(issuer, at);
  if (flaw !== undefined) return flaw;
  if (!usage.isAuthority) return 'issuers that are authorities';
  if (usage.keyUsage?.signsCertificates === false) return 'issuers that may sign certificates';
  if (usage.pathLength !== undefined && below > usage.pathLength) return 'a path within its length limit';
  if (
    usage.purposes !== undefined &&
    !usage.purposes.includes(purpose) &&
    !usage.purposes.includes(anyPurpose)
  ) {
    return `issuers for the purpose ${purpose}`;
  }
  return undefined;
}

function pathFault(expected: string): Fault {
  return new Fault('integrity', 'formats.certificate_path', `expected ${expected}, got others`);
}
