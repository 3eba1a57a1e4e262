import { statSync } from 'node:fs';
import { Fault, parseSigstoreTrustedRoot, type SigstoreTrustedRoot } from '@sallyport/formats';
import { readNamed } from '../../input.ts';

/** No bundle or trusted root comes near; a larger file is another one. */
const maxBytes = 16 * 1024 * 1024;

/** The text of a bundle. */
export function readBundle(file: string): string {
  return readBounded(file);
}

/** What is believed: the file that was named, else the one that the environment names; nothing is fetched. */
export function readTrustedRoot(
  file: string | undefined,
  staging: boolean,
  env: Readonly<Record<string, string | undefined>>,
): SigstoreTrustedRoot {
  const variable = staging ? 'SALLYPORT_STAGING_TRUSTED_ROOT' : 'SALLYPORT_TRUSTED_ROOT';
  const chosen = file ?? env[variable];
  if (chosen === undefined || chosen === '') {
    throw new Fault(
      'invalid',
      'cli.usage',
      `expected --trusted-root, or a file in ${variable}, got neither`,
      {
        hint: 'take trusted_root.json over a way you trust, once',
      },
    );
  }
  return parseSigstoreTrustedRoot(readBounded(chosen));
}

function readBounded(file: string): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (file !== '-' && size > maxBytes) {
    throw new Fault(
      'invalid',
      'cli.file_too_large',
      `expected ${file} of at most ${maxBytes} bytes, got ${size}`,
    );
  }
  return readNamed(file);
}
