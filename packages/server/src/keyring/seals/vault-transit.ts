import { Fault, fromUtf8, toBase64, utf8 } from '@sallyport/formats';
import type { Log } from '#platform';
import { decryptFailed } from '../faults.ts';
import type { Environment } from './aws-credentials.ts';
import { type RemoteKey, sealAad } from './remote-seal.ts';
import { bytesOf, objectField, type SealCall, type SealHttp, textField } from './seal-http.ts';
import { readSecretFile } from './secret-file.ts';

export interface TransitConfig {
  readonly kind: 'transit';
  /** Of the other Vault, OpenBao or Sallyport: `https://vault.example:8200`. */
  readonly address: string;
  /** Where its transit engine is mounted; `transit` when absent. */
  readonly mount?: string;
  readonly key: string;
  readonly namespace?: string;
  /** Holds the token, read anew for each request; VAULT_TOKEN of the environment when absent. */
  readonly tokenFile?: string;
}

const service = "the other Vault's transit engine";
/** The token is renewed when a third of its time is left, never more often than this. */
const soonestRenewalMs = 10_000;
const longestPauseMs = 24 * 3600 * 1000;
const retryMs = 60_000;

/**
 * A key of another Vault's transit engine. The token is renewed while this process lives; one that cannot be renewed is
 * used until it ends, and the log says so.
 */
export function transitKey(
  config: TransitConfig,
  { http, log, environment }: { http: SealHttp; log: Log; environment: Environment },
): RemoteKey {
  const base = new URL(config.address).origin;
  const mount = (config.mount ?? 'transit').replace(/^\/|\/$/g, '');
  if (!/^[\w.-]{1,128}$/.test(config.key) || !/^[\w.-]+(\/[\w.-]+)*$/.test(mount)) {
    throw new Fault(
      'invalid',
      'keyring.seal_config',
      'expected the names of a mount and of a key, got other text',
    );
  }
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function token(): Promise<string> {
    const found =
      config.tokenFile === undefined ? environment['VAULT_TOKEN'] : await readSecretFile(config.tokenFile);
    if (found !== undefined && /^[\x21-\x7e]{1,4096}$/.test(found)) return found;
    throw new Fault(
      'unavailable',
      'keyring.seal_unavailable',
      'expected a token for the transit seal, got none',
    );
  }

  function call(path: string, body: Readonly<Record<string, string>>, opens = false): SealCall {
    return {
      service,
      build: async () => ({
        url: `${base}/v1/${path}`,
        method: 'POST',
        headers: {
          'x-vault-token': await token(),
          'x-vault-request': 'true',
          'content-type': 'application/json',
          ...(config.namespace === undefined ? {} : { 'x-vault-namespace': config.namespace }),
        },
        body: JSON.stringify(body),
      }),
      doesNotOpen: (status) => opens && status === 400,
    };
  }

  /** Renews once and plans the next time. Never throws: the seal works as long as the token does. */
  async function renew(): Promise<void> {
    let pauseMs = retryMs;
    try {
      const auth = objectField(await http.json(call('auth/token/renew-self', {})), 'auth', service);
      const seconds = Number(auth['lease_duration']);
      const renewable = auth['renewable'] === true && Number.isFinite(seconds) && seconds > 0;
      if (!renewable) {
        // A root token, or one at the end of its life.
        if (seconds !== 0) log.warn({}, 'the token of the transit seal cannot be renewed any more');
        return;
      }
      pauseMs = Math.min(Math.max((seconds * 1000 * 2) / 3, soonestRenewalMs), longestPauseMs);
    } catch (error) {
      log.warn({ err: error }, 'the token of the transit seal could not be renewed');
    }
    plan(pauseMs);
  }

  function plan(pauseMs: number): void {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(() => void renew(), pauseMs);
    timer.unref();
  }

  const associated = toBase64(sealAad);
  return {
    kind: config.kind,
    name: `${base}/${config.namespace ?? ''}/${mount}/${config.key}`,
    async encrypt(plaintext) {
      const fields = { plaintext: toBase64(plaintext), associated_data: associated };
      const answer = await http.json(call(`${mount}/encrypt/${config.key}`, fields));
      if (timer === undefined) plan(0);
      return utf8(textField(objectField(answer, 'data', service), 'ciphertext', service));
    },
    async decrypt(blob) {
      const ciphertext = ciphertextOf(blob);
      const fields = { ciphertext, associated_data: associated };
      const answer = await http.json(call(`${mount}/decrypt/${config.key}`, fields, true));
      if (timer === undefined) plan(0);
      return bytesOf(textField(objectField(answer, 'data', service), 'plaintext', service));
    },
    async close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

function ciphertextOf(blob: Uint8Array): string {
  try {
    const text = fromUtf8(blob);
    if (/^[\w-]+:v\d+:[A-Za-z0-9+/=]+$/.test(text)) return text;
  } catch {
    // Not UTF-8: nothing that transit gave.
  }
  throw decryptFailed();
}
