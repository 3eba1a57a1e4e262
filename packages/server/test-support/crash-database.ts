import { SecretBytes } from '@sallyport/formats';
import type { DatabaseConfig } from '../src/platform/db/database.ts';

/** A data directory, or a PostgreSQL URL: the place a crashing test process and its successor share. */
export function crashDatabase(place: string): DatabaseConfig {
  return place.startsWith('postgres')
    ? { kind: 'postgres', url: SecretBytes.fromUtf8(place) }
    : { kind: 'directory', directory: place };
}
