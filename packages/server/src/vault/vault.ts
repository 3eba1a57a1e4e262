import { createSecretKey, type KeyObject, randomUUID } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import type { Journal, Turn } from '#journal';
import type { Clock, Log, Random } from '#platform';
import { createEntryFormat } from './audit/entry.ts';
import type { Exchange } from './audit/exchange.ts';
import { createAuditSalt } from './audit/salt.ts';
import { tokenBackend } from './auth/token/backend.ts';
import type { Backend } from './backend.ts';
import type { Core } from './core.ts';
import { kvV1Backend, kvV2Backend } from './kv/backend.ts';
import { newMount } from './mounts/new-mount.ts';
import { mountsOf, writeMounts } from './mounts/table.ts';
import { createPipeline, type Pipeline } from './request/pipeline.ts';
import type { Sys } from './sys/ports.ts';
import { issue } from './tokens/issue.ts';
import { dueTokens, revokeToken } from './tokens/tokens.ts';

export interface Vault {
  /** Reads what every request needs, and makes it on the first start. After the journal is open. */
  open(): Promise<void>;
  readonly pipeline: Pipeline;
  /** Ends tokens whose time is up; gives how many. Call it every second; harmless on several replicas. */
  sweep(): Promise<number>;
  /** A token that may do everything; `chosen` for one that the operator names. */
  makeRootToken(chosen?: string): Promise<string>;
}

export interface VaultDeps {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sys: Sys;
  readonly backends: {
    readonly secret: ReadonlyMap<string, Backend>;
    readonly auth: ReadonlyMap<string, Backend>;
  };
}

const tokenKeyPath = 'core/token-key';
const auditSaltPath = 'core/audit-salt';
const sweepPortion = 200;

export function createVault(deps: VaultDeps): Vault {
  const { journal, clock, random, log, sys } = deps;
  let opened:
    | {
        readonly pipeline: Pipeline;
        readonly core: Core;
        readonly lines: (exchange: Exchange) => readonly Buffer[];
      }
    | undefined;

  const need = () => {
    if (opened === undefined) throw new Fault('unavailable', 'journal.closed', 'Vault is sealed');
    return opened;
  };

  return {
    pipeline: { answer: async (request, signal) => await need().pipeline.answer(request, signal) },
    async open() {
      await journal.openScope('system');
      const keys = await journal.run<{ tokenKey: KeyObject; salt: Buffer }>((turn) => {
        firstStart(turn, random);
        const tokenKey = secret(turn, tokenKeyPath);
        const salt = secret(turn, auditSaltPath);
        const answer = { tokenKey: createSecretKey(tokenKey), salt };
        tokenKey.fill(0);
        return { answer, audit: [] };
      });
      const format = createEntryFormat({
        salt: createAuditSalt(keys.salt),
        hmacAccessor: true,
        elideListResponses: false,
        headers: () => new Map(),
      });
      keys.salt.fill(0);
      const lines = (exchange: Exchange): readonly Buffer[] => {
        const { request, response } = format.lines(exchange);
        return [request, response];
      };
      const core: Core = { random, uuid: randomUUID, tokenKey: keys.tokenKey, backends: deps.backends, sys };
      const pipeline = createPipeline({
        journal,
        core,
        log,
        auditLines: lines,
        wallNow: () => clock.now().getTime(),
      });
      opened = { pipeline, core, lines };
    },
    async sweep() {
      const { lines } = need();
      if (journal.peek((turn) => dueTokens(turn, 1)).length === 0) return 0;
      return await journal.run((turn) => {
        const due = dueTokens(turn, sweepPortion);
        const answer = due.reduce((sum, accessor) => sum + revokeToken(turn, accessor), 0);
        return { answer, audit: lines(ownDoing('sys/leases/expire', { accessors: due }, turn.now)) };
      });
    },
    async makeRootToken(chosen) {
      const { core, lines } = need();
      return await journal.run((turn) => {
        const { token } = issue(turn, core, {
          type: 'service',
          path: 'auth/token/root',
          displayName: 'root',
          policies: ['root'],
          meta: {},
          numUses: 0,
          orphan: true,
          entityId: '',
          ttl: 0,
          maxTtl: 0,
          explicitMaxTtl: 0,
          period: 0,
          renewable: false,
          boundCidrs: [],
          environments: ['*'],
          ...(chosen === undefined ? {} : { chosen }),
        });
        return { answer: token, audit: lines(ownDoing('auth/token/root', {}, turn.now)) };
      });
    },
  };
}

/** Engines and login methods by the name of their type. */
export function backendsOf(secret: readonly Backend[], auth: readonly Backend[]) {
  return {
    secret: new Map<string, Backend>([
      ['kv', kvV1Backend],
      ['kv-v2', kvV2Backend],
      ...secret.map((backend) => [backend.type, backend] as const),
    ]),
    auth: new Map<string, Backend>([
      ['token', tokenBackend],
      ...auth.map((backend) => [backend.type, backend] as const),
    ]),
  };
}

function firstStart(turn: Turn, random: Random): void {
  const space = turn.space('system');
  if (!space.has(tokenKeyPath)) space.put(tokenKeyPath, Buffer.from(random.bytes(32)));
  if (!space.has(auditSaltPath)) space.put(auditSaltPath, Buffer.from(random.bytes(32)));
  if (mountsOf(turn).mounts.length > 0) return;
  writeMounts(turn, [
    newMount({ path: 'auth/token/', kind: 'auth', type: 'token', description: 'token based credentials' }),
    newMount({
      path: 'cubbyhole/',
      kind: 'secret',
      type: 'cubbyhole',
      description: 'per-token private secret storage',
    }),
    newMount({ path: 'identity/', kind: 'secret', type: 'identity', description: 'identity store' }),
    newMount({
      path: 'sys/',
      kind: 'system',
      type: 'system',
      description: 'system endpoints used for control, policy and debugging',
    }),
  ]);
}

function secret(turn: Turn, path: string): Buffer {
  const bytes = turn.space('system').get(path);
  if (bytes === undefined)
    throw new Fault('integrity', 'vault.core_missing', `the record ${path} is missing`);
  return bytes;
}

/** What the server does by itself, for its audit. */
function ownDoing(path: string, data: Readonly<Record<string, unknown>>, now: number): Exchange {
  return {
    requestTime: now,
    responseTime: now,
    clientToken: undefined,
    caller: undefined,
    policyResults: undefined,
    request: {
      id: randomUUID(),
      operation: 'update',
      mount: undefined,
      path,
      data,
      headers: {},
      remoteAddress: '',
      remotePort: 0,
    },
    response: {},
  };
}
