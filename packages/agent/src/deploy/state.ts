import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredState } from '@sallyport/contract';
import {
  canonicalJson,
  type Digest,
  Fault,
  fromUtf8,
  parseDigest,
  parseStrictJson,
} from '@sallyport/formats';
import { writeDurably } from './durable.ts';

/** What the agent must remember of one service across a crash. Nothing in it is secret. */
export interface ServiceState {
  /** The highest revision ever verified; a smaller one is a replay, also after a restart. */
  readonly highestRevision: number;
  /** What was last verified and shall run, with its bundles: it is verified again when read. */
  readonly desired: DesiredState;
  /** What last ran well, with the digest of its release's record: kept on disk, so that it starts with no network. */
  readonly lastHealthy?: { readonly desired: DesiredState; readonly record: Digest };
}

export interface StateStore {
  list(): Promise<readonly ServiceState[]>;
  save(state: ServiceState): Promise<void>;
}

const maxStateBytes = 32 * 1024 * 1024;

/** One file per service, replaced as a whole. An unreadable one is an error: forgetting it would allow a replay. */
export function createStateStore(directory: string): StateStore {
  return {
    async list() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const states: ServiceState[] = [];
      for (const name of await readdir(directory)) {
        if (name.endsWith('.json')) states.push(read(await readFile(join(directory, name)), name));
      }
      return states;
    },
    async save(state) {
      const { project, environment, service } = state.desired;
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // The three are names (lower case letters, digits, dashes), so a dot cannot be part of one.
      await writeDurably(join(directory, `${project}.${environment}.${service}.json`), canonicalJson(state));
    },
  };
}

function read(bytes: Uint8Array, name: string): ServiceState {
  try {
    const value = parseStrictJson(fromUtf8(bytes), { maxBytes: maxStateBytes });
    if (typeof value !== 'object' || value === null) throw new Error('not an object');
    // Written by us in this very shape; the bundles inside are verified again before anything is done with them.
    const state = value as ServiceState;
    if (!Number.isSafeInteger(state.highestRevision) || typeof state.desired.digest !== 'string') {
      throw new Error('fields are missing');
    }
    if (state.lastHealthy !== undefined) parseDigest(state.lastHealthy.record);
    return state;
  } catch (cause) {
    throw new Fault(
      'internal',
      'deploy.state',
      `expected the state of a service in "${name}", got something else`,
      {
        cause,
        hint: 'restore the file; without it the agent cannot tell a replayed deployment from a new one',
      },
    );
  }
}
