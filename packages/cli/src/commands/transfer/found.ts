import { Fault } from '@sallyport/formats';

/** One secret that was read somewhere, to be written here. */
export interface Found {
  /** Below the place it is brought to; empty for that place itself. */
  readonly path: string;
  /** JSON objects, oldest first; the last one is the current version. */
  readonly versions: readonly Buffer[];
  readonly custom: Readonly<Record<string, string>>;
}

export function wipeFound(found: readonly Found[]): void {
  for (const { versions } of found) for (const json of versions) json.fill(0);
}

export function badFile(message: string, hint?: string): Fault {
  return new Fault('invalid', 'cli.import', message, hint === undefined ? {} : { hint });
}
