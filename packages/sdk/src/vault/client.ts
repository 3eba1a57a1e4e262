import { readFile, stat } from 'node:fs/promises';
import { Fault, isFault, SecretBytes } from '@sallyport/formats';
import type { Answer } from './answer.ts';
import { type CacheOptions, cacheKey, createCache } from './cache.ts';
import { createCalls, type VaultCall } from './calls.ts';
import { createKv, type Kv, type NewSecret, type SecretMetadata } from './kv.ts';
import type { LoginSource } from './login/source.ts';
import { createMounts } from './mounts.ts';
import { plainPath } from './paths.ts';
import type { VaultSecret } from './secret.ts';
import { createSession, type Session } from './session.ts';
import { systemTiming, type Timing } from './timing.ts';
import { type Change, type WatchOptions, watchSecret } from './watch.ts';
import { createWire } from './wire.ts';

export interface VaultClientOptions {
  /** Where the server is, such as `https://sallyport.example:7270`; several are replicas of one another. */
  readonly address: string | readonly string[];
  /** How to sign in; absent for the few questions that need no token (`openRequest`). */
  readonly login?: LoginSource | undefined;
  /** PEM of the authorities that are believed, instead of those of the system. */
  readonly ca?: string | undefined;
  /** Default: nothing is kept. */
  readonly cache?: CacheOptions | undefined;
  /** Versions of mounts that need not be asked for: `{ secret: 2 }`. */
  readonly mounts?: Readonly<Record<string, 1 | 2>>;
  /** Milliseconds one attempt may take. Default 30,000. */
  readonly timeoutMs?: number;
  /** Times one request is sent, the first included. Default 3, and at least one for each address. */
  readonly attempts?: number;
  /** Told when a token could not be renewed; the next call finds out too. */
  readonly onTrouble?: (fault: unknown) => void;
  readonly timing?: Timing;
}

/** Secrets of a server that answers Vault's API: Sallyport, Vault or OpenBao. Every verb throws Fault. */
export interface VaultClient {
  /** The server that answered last. */
  readonly address: string;
  /** The current version, or that one; from the cache where that was asked for. */
  read(path: string, options?: { readonly version?: number; readonly fresh?: boolean }): Promise<VaultSecret>;
  write(path: string, data: NewSecret, options?: { readonly cas?: number }): ReturnType<Kv['write']>;
  patch(path: string, data: NewSecret, options?: { readonly cas?: number }): ReturnType<Kv['patch']>;
  list(path: string): Promise<readonly string[]>;
  delete(path: string, versions?: readonly number[]): Promise<void>;
  undelete(path: string, versions: readonly number[]): Promise<void>;
  destroy(path: string, versions: readonly number[]): Promise<void>;
  deleteAll(path: string): Promise<void>;
  metadata(path: string): Promise<SecretMetadata>;
  /** Whether and where secrets of that path have versions. */
  place: Kv['place'];
  watch(path: string, options?: WatchOptions): AsyncIterable<Change>;
  /** Any other path of the API; the caller wipes the answer. */
  request(call: VaultCall): Promise<Answer>;
  /** Without a token, such as before the server is open. */
  openRequest(call: VaultCall): Promise<Answer>;
  /** A copy of the token in use, signing in when there is none yet; the caller wipes it. */
  token: Session['token'];
  /** Ends renewal, wipes token and cache; with `revoke` the server forgets the token too. */
  close(options?: { readonly revoke?: boolean }): Promise<void>;
}

const maxAnswerBytes = 64 * 1024 * 1024;
const maxFileBytes = 64 * 1024;

/** Nothing is sent before the first call. The client must be closed: until then it holds a token. */
export function createVaultClient(options: VaultClientOptions): VaultClient {
  const timing = options.timing ?? systemTiming;
  const addresses = typeof options.address === 'string' ? [options.address] : options.address;
  const wires = addresses.map((address) => createWire(address, options.ca));
  const calls = createCalls({
    wires,
    timing,
    timeoutMs: options.timeoutMs ?? 30_000,
    maxBytes: maxAnswerBytes,
    attempts: Math.max(options.attempts ?? 3, wires.length),
  });
  const session = createSession({
    calls,
    source: options.login ?? nobody,
    tools: { calls, readFile: readSmallFile },
    timing,
    onTrouble: options.onTrouble ?? (() => undefined),
  });
  const kv = createKv(session, createMounts(session, options.mounts ?? {}));
  const cache = createCache(options.cache, timing);

  /** What was kept of a path is not true any more, also when the change failed half way. */
  const changing = async <T>(path: string, change: Promise<T>): Promise<T> =>
    await change.finally(() => cache.drop(plainPath(path)));

  return {
    get address() {
      return calls.address;
    },
    async read(path, { version, fresh } = {}) {
      const key = cacheKey(plainPath(path), version);
      const kept = fresh === true ? undefined : cache.fresh(key);
      if (kept !== undefined) return kept;
      try {
        const { secret, leaseSeconds } = await kv.read(path, version);
        cache.put(key, secret, leaseSeconds);
        return secret;
      } catch (error) {
        const away = isFault(error) && error.kind === 'unavailable';
        const last = away ? cache.stale(key) : undefined;
        if (last !== undefined) return last;
        if (!away) cache.drop(plainPath(path));
        throw error;
      }
    },
    write: (path, data, { cas } = {}) => changing(path, kv.write(path, data, cas)),
    patch: (path, data, { cas } = {}) => changing(path, kv.patch(path, data, cas)),
    list: (path) => kv.list(path),
    delete: (path, versions) => changing(path, kv.delete(path, versions)),
    undelete: (path, versions) => changing(path, kv.undelete(path, versions)),
    destroy: (path, versions) => changing(path, kv.destroy(path, versions)),
    deleteAll: (path) => changing(path, kv.deleteAll(path)),
    metadata: (path) => kv.metadata(path),
    place: (path) => kv.place(path),
    watch: (path, watched = {}) => watchSecret(kv, timing, path, watched),
    request: (call) => session.send(call),
    openRequest: (call) => calls.send(call),
    token: () => session.token(),
    async close({ revoke = false } = {}) {
      cache.clear();
      try {
        await session.close(revoke);
      } finally {
        for (const wire of wires) wire.close();
      }
    },
  };
}

const nobody: LoginSource = {
  name: 'nobody',
  repeatable: false,
  login: async () => {
    throw new Fault('unauthenticated', 'vault.no_token', 'expected a token or a way to sign in, got none', {
      hint: 'sally vault login signs in; VAULT_TOKEN gives a token for one command',
    });
  },
};

async function readSmallFile(path: string): Promise<SecretBytes> {
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) {
      throw new Fault(
        'invalid',
        'vault.file',
        `expected at most ${maxFileBytes} bytes in ${path}, found ${size}`,
      );
    }
    const bytes = await readFile(path);
    const secret = SecretBytes.from(bytes);
    bytes.fill(0);
    return secret;
  } catch (cause) {
    if (isFault(cause)) throw cause;
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason given';
    throw new Fault('not_found', 'vault.file', `expected to read ${path}, could not: ${reason}`, { cause });
  }
}
