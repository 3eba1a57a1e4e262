import type { Clock, Log } from '#platform';
import type { AuditedHeaders } from '../sys/audited-headers.ts';
import type { DeviceSpec } from './devices/declare.ts';
import type { Device } from './devices/device.ts';
import { createLateDevice } from './devices/late.ts';
import { createSupervisor, type SupervisorOptions } from './devices/supervisor.ts';
import { createEntryFormat } from './entry.ts';
import type { Exchange } from './exchange.ts';
import { createAuditSalt } from './salt.ts';

/** One device in force: its salt, its lines, and the way to it. */
export interface Member {
  readonly path: string;
  readonly required: boolean;
  /** As its lines hash that text. */
  hash(text: string): string;
  lines(exchange: Exchange): readonly Buffer[];
  /** See `SupervisedDevice.record`. */
  record(lines: readonly Buffer[]): Promise<void>;
  /** Opens it, or opens it anew. A failure is logged: the device is tried again with its next lines. */
  reopen(): Promise<void>;
  /** Writes what waits, for a bounded time; afterwards it takes no lines and makes none. */
  close(): Promise<void>;
}

export interface MemberDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly headers: () => ReadonlyMap<string, { readonly hmac: boolean }>;
}

/** The salt is copied. Opens nothing yet. */
export function createMember(
  path: string,
  spec: Pick<DeviceSpec, 'hmacAccessor' | 'elideListResponses' | 'required'> & { readonly timeoutMs: number },
  salt: Uint8Array,
  open: () => Promise<Device>,
  { clock, log, headers }: MemberDeps,
): Member {
  const auditSalt = createAuditSalt(salt);
  const { hmacAccessor, elideListResponses, required } = spec;
  const format = createEntryFormat({ salt: auditSalt, hmacAccessor, elideListResponses, headers });
  const supervised = createSupervisor(
    { ...limits, name: path, required, deadlineMs: deadlineOf(spec.timeoutMs) },
    { device: createLateDevice(open), clock, log },
  );
  return {
    path,
    required,
    hash: auditSalt.hash,
    lines(exchange) {
      const { request, response } = format.lines(exchange);
      return [request, response];
    },
    record: supervised.record,
    async reopen() {
      try {
        await supervised.reopen();
      } catch (error) {
        log.error({ device: path, err: error }, 'an audit device cannot be opened');
      }
    },
    async close() {
      try {
        await supervised.close();
      } catch (error) {
        log.error({ device: path, err: error }, 'an audit device did not close');
      } finally {
        auditSalt.wipe();
      }
    },
  };
}

/** Enough for some ten thousand requests while a device is away; lines of more are dropped, and the gap is told. */
const limits: Omit<SupervisorOptions, 'name' | 'required' | 'deadlineMs'> = {
  maxQueueBytes: 32 * 1024 * 1024,
  maxBatchBytes: 1024 * 1024,
  retryMs: 250,
  maxRetryMs: 30_000,
};

const longestDeadlineMs = 30_000;

/** A little more than the device itself waits, so that its own reason is heard; shorter than a client waits. */
function deadlineOf(timeoutMs: number): number {
  return Math.min(timeoutMs + 1000, longestDeadlineMs);
}

/** As the format asks for them; one map for as long as they are the same. */
export function createHeaderMap(): (
  headers: AuditedHeaders,
) => ReadonlyMap<string, { readonly hmac: boolean }> {
  let of: AuditedHeaders | undefined;
  let map: ReadonlyMap<string, { readonly hmac: boolean }> = new Map();
  return (headers) => {
    if (headers !== of) {
      map = new Map(Object.entries(headers));
      of = headers;
    }
    return map;
  };
}
