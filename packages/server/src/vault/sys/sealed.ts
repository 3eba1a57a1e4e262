import { isFault, type SecretBytes } from '@sallyport/formats';
import { type Initialised, type InitialiseOptions, type KeyringStatus, parseShare } from '#keyring';
import { badRequest, errorBody, statusOf } from '../errors.ts';
import { createFields, type Fields, type JsonObject } from '../fields.ts';
import { healthOf } from './health.ts';
import type { ServerFacts } from './ports.ts';
import { shareTexts } from './share-texts.ts';
import { apiVersion } from './version.ts';

/** What is possible while there are no records: opening them, and saying that they are not open. */
export interface SealControl {
  readonly facts: ServerFacts;
  /** Milliseconds since the epoch. */
  now(): number;
  status(): Promise<KeyringStatus>;
  /**
   * Makes the root key and a root token. A seal of shares is closed again afterwards. Throws `keyring.initialised` the
   * second time.
   */
  initialise(options: InitialiseOptions): Promise<Initialised & { readonly rootToken: string }>;
  /** Takes one share (a copy); with the last one the server answers. */
  unseal(share: SecretBytes): Promise<void>;
  resetUnseal(): void;
}

export interface SealRequest {
  readonly method: string;
  /** Below `/v1/`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: JsonObject;
}

export interface SealAnswer {
  readonly status: number;
  /** Absent: no body. */
  readonly body?: JsonObject;
}

/**
 * Answers the paths that answer in every state, without a token and without audit, as in Vault: nothing of the content
 * is behind them. `undefined` for all other paths.
 */
export function answerSealed(control: SealControl, request: SealRequest): Promise<SealAnswer> | undefined {
  const handler = handlers.get(request.path);
  return handler === undefined ? undefined : refusing(handler(control, request));
}

type SealedHandler = (control: SealControl, request: SealRequest) => Promise<SealAnswer>;

const handlers: ReadonlyMap<string, SealedHandler> = new Map<string, SealedHandler>([
  ['sys/health', health],
  ['sys/seal-status', byMethod({ read: sealStatus })],
  ['sys/init', byMethod({ read: initStatus, update: initialise })],
  ['sys/unseal', byMethod({ update: unseal })],
  ['sys/leader', byMethod({ read: leader })],
]);

async function refusing(answer: Promise<SealAnswer>): Promise<SealAnswer> {
  try {
    return await answer;
  } catch (error) {
    if (!isFault(error)) throw error;
    return { status: statusOf(error), body: errorBody(error) };
  }
}

function byMethod(on: { readonly read?: SealedHandler; readonly update?: SealedHandler }): SealedHandler {
  return async (control, request) => {
    const { method } = request;
    const handler =
      method === 'GET' || method === 'HEAD'
        ? on.read
        : method === 'PUT' || method === 'POST'
          ? on.update
          : undefined;
    if (handler === undefined) return { status: 405, body: { errors: ['unsupported operation'] } };
    return await handler(control, request);
  };
}

async function health(control: SealControl, { method, query }: SealRequest): Promise<SealAnswer> {
  if (method !== 'GET' && method !== 'HEAD')
    return { status: 405, body: { errors: ['unsupported operation'] } };
  const answer = healthOf(await control.status(), control.facts, query, control.now());
  return method === 'HEAD' ? { status: answer.status } : answer;
}

async function sealStatus(control: SealControl): Promise<SealAnswer> {
  return { status: 200, body: statusBody(await control.status(), control.facts) };
}

function statusBody(status: KeyringStatus, facts: ServerFacts): JsonObject {
  return {
    type: status.byShares ? 'shamir' : status.seal,
    initialized: status.initialised,
    sealed: status.sealed,
    t: status.threshold,
    n: status.shares,
    progress: status.progress,
    nonce: status.progress === 0 ? '' : status.nonce,
    version: apiVersion,
    sallyport_version: facts.version,
    build_date: '',
    migration: status.migration !== 'none',
    ...(status.sealed ? {} : { cluster_name: facts.clusterName, cluster_id: facts.clusterId }),
    recovery_seal: !status.byShares,
    storage_type: facts.storageType,
  };
}

async function initStatus(control: SealControl): Promise<SealAnswer> {
  return { status: 200, body: { initialized: (await control.status()).initialised } };
}

async function initialise(control: SealControl, { body }: SealRequest): Promise<SealAnswer> {
  const fields = createFields(body);
  const status = await control.status();
  if (status.initialised) throw badRequest('Vault is already initialized');
  for (const name of ['pgp_keys', 'recovery_pgp_keys', 'root_token_pgp_key']) {
    const value = fields.find(name);
    if (value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)) {
      throw badRequest(`expected no ${name}: shares and tokens are not encrypted with PGP here`);
    }
  }
  const made = await control.initialise(optionsOf(fields, status.byShares));
  const shares = shareTexts(made.shares);
  const recovery = shareTexts(made.recoveryShares);
  for (const share of [...made.shares, ...made.recoveryShares]) share.wipe();
  return {
    status: 200,
    body: {
      ...shares,
      ...(made.recoveryShares.length === 0
        ? {}
        : { recovery_keys: recovery.keys, recovery_keys_base64: recovery.keys_base64 }),
      root_token: made.rootToken,
    },
  };
}

function optionsOf(fields: Fields, byShares: boolean): InitialiseOptions {
  if (byShares) {
    const shares = {
      shares: fields.integer('secret_shares', 0),
      threshold: fields.integer('secret_threshold', 0),
    };
    return { shares };
  }
  const recovery = {
    shares: fields.integer('recovery_shares', 0),
    threshold: fields.integer('recovery_threshold', 0),
  };
  return recovery.shares === 0 ? {} : { recovery };
}

async function unseal(control: SealControl, { body }: SealRequest): Promise<SealAnswer> {
  const fields = createFields(body);
  const before = await control.status();
  if (!before.initialised) throw badRequest('Vault is not initialized');
  if (fields.boolean('reset', false)) control.resetUnseal();
  else if (before.sealed) {
    const key = fields.text('key').trim();
    if (key === '')
      throw badRequest("'key' must be specified in request body as JSON, or 'reset' set to true");
    const share = parseShare(key);
    try {
      await control.unseal(share);
    } finally {
      share.wipe();
    }
  }
  return await sealStatus(control);
}

/** Replicas are equal: whoever is asked answers, so it is its own leader. */
async function leader({ facts, status }: SealControl): Promise<SealAnswer> {
  const { sealed } = await status();
  return {
    status: 200,
    body: {
      ha_enabled: facts.replicated,
      is_self: !sealed,
      ...(sealed ? {} : { active_time: new Date(facts.startedAt).toISOString() }),
      leader_address: sealed ? '' : facts.address,
      leader_cluster_address: '',
      performance_standby: false,
      performance_standby_last_remote_wal: 0,
    },
  };
}
