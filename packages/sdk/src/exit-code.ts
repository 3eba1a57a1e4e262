import { assertNever, type FaultKind, isFault } from '@sallyport/formats';

/** Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not found, 5 refused by policy, 6 integrity. */
export function exitCodeOf(error: unknown): number {
  if (!isFault(error)) return 1;
  if (error.code.startsWith('release.refused')) return 5;
  return codeOfKind(error.kind);
}

function codeOfKind(kind: FaultKind): number {
  switch (kind) {
    case 'invalid':
      return 2;
    case 'unauthenticated':
    case 'denied':
      return 3;
    case 'not_found':
      return 4;
    case 'precondition':
      return 5;
    case 'integrity':
      return 6;
    case 'conflict':
    case 'exhausted':
    case 'unavailable':
    case 'internal':
      return 1;
    default:
      return assertNever(kind, 'fault kind');
  }
}
