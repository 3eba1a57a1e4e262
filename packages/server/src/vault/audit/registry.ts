import { hkdfSync } from 'node:crypto';
import { Fault, isFault } from '@sallyport/formats';
import type { Journal, Turn } from '#journal';
import type { Clock, Log } from '#platform';
import { auditDevices, saltOf } from '../sys/audit-devices.ts';
import { auditedHeaders } from '../sys/audited-headers.ts';
import type { AuditDevices, KeptDevice } from '../sys/ports.ts';
import { parseDevice } from './devices/declare.ts';
import { type OpenDeps, openDevice } from './devices/open.ts';
import { createEntryFormat } from './entry.ts';
import type { Exchange } from './exchange.ts';
import { createHeaderMap, createMember, type Member } from './member.ts';
import { createProbe } from './probe.ts';
import { createAuditSalt } from './salt.ts';
import { type AuditSettings, configuredDevices, ledgerPath, readKey } from './settings.ts';

/** Which devices get a line, at one moment of the state. */
export interface InForce {
  readonly kept: readonly KeptDevice[];
  readonly members: readonly Member[];
}

/** Lines on their way to devices besides the ledger. */
export type Copies = ReadonlyArray<{ readonly member: Member; readonly lines: readonly Buffer[] }>;

/**
 * All audit devices: the ledger's own, whose lines are the batch that makes an answer durable, and those that get a copy
 * of each line afterwards, from the configuration and from the API.
 *
 * KNOWN LIMIT: what was decided is durable, in the state and in the ledger, before a required device is asked for its
 * confirmation. If it gives none, the answer is refused and the change stays, as when a connection breaks.
 */
export interface AuditRegistry {
  /** Opens what is in force. One that cannot be opened is logged, and tried again with its first lines. */
  start(): Promise<void>;
  /** In a turn, before it is decided: whoever disables a device leaves a trace in it. */
  inForce(turn: Turn): InForce;
  /**
   * In a turn, when it is decided: the lines of the ledger's device, and those of all that were in force `before` or are
   * now. Throws `vault.audit_line` when it cannot be written down: then it must not be answered.
   */
  lines(turn: Turn, before: InForce, exchange: Exchange): RenderedLines;
  /**
   * When the turn is durable. Undefined when nobody has to wait; else it rejects with `vault.audit_required` when a
   * required device does not have its lines: the answer must not leave.
   */
  deliver(copies: Copies): Promise<void> | undefined;
  /** Closes devices that are in force no more: other replicas disable them too. Cheap; call it every second. */
  follow(): void;
  /** After a log rotation: opens every device anew. */
  reopen(): Promise<void>;
  /** What `text` is in the lines of the ledger's own device. */
  hash(text: string): string;
  readonly devices: AuditDevices;
  close(): Promise<void>;
}

export interface RenderedLines {
  readonly audit: readonly Buffer[];
  readonly copies: Copies | undefined;
}

export interface RegistryDeps {
  readonly journal: Pick<Journal, 'peek'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: AuditSettings;
  /** Of the ledger's own device; copied. */
  readonly salt: Uint8Array;
}

export function createAuditRegistry(deps: RegistryDeps): AuditRegistry {
  const { journal, clock, log, settings } = deps;
  const openDeps: OpenDeps = { ...settings, clock, webhookKey: (name) => readKey(settings.keyFiles, name) };
  const headerMap = createHeaderMap();
  let headers: ReturnType<typeof headerMap> = new Map();
  const memberDeps = { clock, log, headers: () => headers };
  const ledgerSalt = createAuditSalt(deps.salt);
  const ledger = createEntryFormat({
    salt: ledgerSalt,
    hmacAccessor: true,
    elideListResponses: false,
    headers: memberDeps.headers,
  });

  const configured = configuredDevices(settings).map(({ device, spec }) => ({
    device,
    member: createMember(
      device.path,
      { ...spec, timeoutMs: spec.target.timeoutMs },
      saltOfConfigured(deps.salt, device.path),
      () => openDevice(spec.target, openDeps),
      memberDeps,
    ),
  }));
  const fixed = configured.map(({ member }) => member);
  /** Of the API, by id. A turn that is undone may leave one here, which was never opened; `follow` takes it away. */
  const known = new Map<string, Member>();
  let current: InForce = { kept: [], members: fixed };
  let followed: readonly KeptDevice[] | undefined;
  let closed = false;

  function memberOf(turn: Turn, device: KeptDevice): Member {
    let member = known.get(device.id);
    if (member === undefined) {
      member = keptMember(turn, device);
      known.set(device.id, member);
    }
    return member;
  }

  /** One that the configuration does not allow any more writes nowhere, and if it is required nothing is answered. */
  function keptMember(turn: Turn, device: KeptDevice): Member {
    const salt = saltOf(turn, device);
    if (salt === undefined) throw saltMissing(device.path);
    try {
      const { spec, open } = openerOf(device);
      return createMember(device.path, spec, salt, open, memberDeps);
    } finally {
      salt.fill(0);
    }
  }

  function openerOf({ type, options }: KeptDevice) {
    try {
      const spec = parseDevice(type, options, settings.api);
      const { timeoutMs } = spec.target;
      return { spec: { ...spec, timeoutMs }, open: () => openDevice(spec.target, openDeps) };
    } catch (error) {
      const required = /^(1|t|true)$/i.test(options['required'] ?? '');
      const spec = { hmacAccessor: true, elideListResponses: false, required, timeoutMs: 0 };
      return { spec, open: () => Promise.reject(error) };
    }
  }

  function inForce(turn: Turn): InForce {
    const kept = auditDevices(turn);
    if (kept !== current.kept) {
      current = { kept, members: [...fixed, ...kept.map((device) => memberOf(turn, device))] };
    }
    return current;
  }

  function follow(): void {
    if (closed) return;
    const { kept } = journal.peek(inForce);
    if (kept === followed) return;
    followed = kept;
    for (const [id, member] of known) {
      if (kept.some((device) => device.id === id)) continue;
      known.delete(id);
      void member.close();
    }
  }

  return {
    async start() {
      journal.peek(inForce);
      followed = current.kept;
      await Promise.all(current.members.map((member) => member.reopen()));
    },
    inForce,
    lines(turn, before, exchange) {
      if (closed) throw sealed();
      headers = headerMap(auditedHeaders(turn));
      const { both } = ledger.lines(exchange);
      const after = inForce(turn);
      const members = after === before ? after.members : [...new Set([...before.members, ...after.members])];
      return {
        audit: [both],
        copies:
          members.length === 0
            ? undefined
            : members.map((member) => ({ member, lines: member.lines(exchange) })),
      };
    },
    deliver(copies) {
      let waits: Promise<void>[] | undefined;
      for (const { member, lines } of copies) {
        const recorded = member.record(lines);
        if (member.required) {
          waits ??= [];
          waits.push(recorded);
        }
      }
      return waits === undefined ? undefined : allOf(waits);
    },
    follow,
    async reopen() {
      await Promise.all([...fixed, ...known.values()].map((member) => member.reopen()));
    },
    hash: ledgerSalt.hash,
    devices: {
      configured: () => [ledgerDevice, ...configured.map(({ device }) => device)],
      probe: createProbe(settings.api, openDeps),
      hash(path, input) {
        if (path === ledgerPath) return ledgerSalt.hash(input);
        return configured.find(({ device }) => device.path === path)?.member.hash(input);
      },
      hashKept: (turn, device, input) => memberOf(turn, device).hash(input),
      changed() {
        try {
          follow();
        } catch (error) {
          // The server is being sealed; what is in force then is read when it is opened again.
          if (!isFault(error) || error.kind !== 'unavailable') throw error;
        }
      },
    },
    async close() {
      closed = true;
      await Promise.all([...fixed, ...known.values()].map((member) => member.close()));
      ledgerSalt.wipe();
    },
  };
}

const ledgerDevice = {
  path: ledgerPath,
  type: 'ledger',
  description: 'the audit journal of this server, sealed into its ledger',
  options: {},
  local: false,
} as const;

/**
 * Made from the ledger's own salt (RFC 5869), so that it is the same after a restart and on all replicas without being
 * kept, and each path has another.
 */
function saltOfConfigured(salt: Uint8Array, path: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', salt, new Uint8Array(), `sallyport audit device ${path}`, 32));
}

function saltMissing(path: string): Fault {
  return new Fault('integrity', 'vault.core_missing', `the salt of the audit device "${path}" is missing`, {
    hint: 'the database was changed from outside; restore it from a backup',
  });
}

function sealed(): Fault {
  return new Fault('unavailable', 'journal.closed', 'the server is sealed');
}

async function allOf(waits: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(waits)).find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
