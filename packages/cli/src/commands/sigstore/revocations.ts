import { Fault, parseTrustRoot, type Revocations, requireFresh, verifyRevocations } from '@sallyport/formats';
import { readNamed } from '../../input.ts';

/** A list that verifies and is valid now; undefined when none was given. Half of what it takes is a usage error. */
export function readRevocations(
  listFile: string | undefined,
  trustRootFile: string | undefined,
): Revocations | undefined {
  if (listFile === undefined && trustRootFile === undefined) return undefined;
  if (listFile === undefined || trustRootFile === undefined) {
    throw new Fault(
      'invalid',
      'cli.usage',
      'expected --revocations and --trust-root together, got one of them',
    );
  }
  const verified = verifyRevocations(readNamed(listFile), parseTrustRoot(readNamed(trustRootFile)));
  requireFresh(verified, new Date());
  return verified.list;
}
