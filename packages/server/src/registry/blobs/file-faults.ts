import { Fault } from '@sallyport/formats';

export function uploadLost(): Fault {
  return new Fault('not_found', 'registry.upload_unknown', 'expected an upload in progress, found none', {
    hint: 'start the upload again',
  });
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function isDiskFull(error: unknown): boolean {
  return codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
}

/** A full disk gets its own name, because only the operator can help; other errors pass as they are. */
export function asFault(error: unknown): unknown {
  if (!isDiskFull(error)) return error;
  return new Fault(
    'exhausted',
    'registry.disk_full',
    'the disk of the registry is full; nothing was stored',
    {
      hint: 'free some space or collect garbage, then push again',
      cause: error,
    },
  );
}
