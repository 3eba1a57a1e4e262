import { parseDuration } from '@sallyport/contract';
import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Limits } from '../sandbox/index.ts';

/** What the signed desired state asks of a process target. Everything an instance gets comes from here. */
export interface Target {
  readonly port: number;
  readonly health: {
    /** Absent: a connection that is taken and kept is enough. */
    readonly path?: string;
    /** How long a new instance may take to become healthy. */
    readonly timeoutSeconds: number;
    readonly intervalSeconds: number;
  };
  readonly egress: readonly string[];
  readonly limits: Partial<Limits>;
  readonly env: Readonly<Record<string, string>>;
  /** Names of the secrets it needs; their values come from the server, in memory. */
  readonly secretNames: readonly string[];
  readonly drift: 'report' | 'correct';
  /** What happens to it while it runs and is revoked. */
  readonly revoked: 'stop' | 'report';
}

/** One secret as the agent holds it: in memory, for as long as its revision may be restarted. */
export interface HeldSecret {
  readonly name: string;
  readonly delivery: 'env' | 'file';
  readonly value: SecretBytes;
}

/**
 * Reads the `spec` of a desired-state statement. Its signature was verified, so this guards against versions that
 * differ, not against enemies: what is not understood is refused, never guessed.
 */
export function readTarget(spec: Readonly<Record<string, unknown>>): Target {
  const target = object(spec['target'], 'target');
  if (target['type'] !== 'process') throw refused('a target of type "process"', target['type']);
  const health = target['health'] === undefined ? {} : object(target['health'], 'target.health');
  const limits = target['limits'] === undefined ? {} : object(target['limits'], 'target.limits');
  const path = health['path'] === undefined ? undefined : text(health['path'], 'target.health.path');
  const drift = spec['drift'] ?? 'report';
  if (drift !== 'report' && drift !== 'correct') throw refused('drift "report" or "correct"', drift);
  const revoked = spec['revoked'] ?? 'stop';
  if (revoked !== 'stop' && revoked !== 'report') throw refused('revoked "stop" or "report"', revoked);
  const cpus = optionalNumber(limits['cpus'], 'cpus');
  const memoryMb = optionalNumber(limits['memory_mb'], 'memory_mb');
  const processes = optionalNumber(limits['processes'], 'processes');
  return {
    port: port(target['port']),
    health: {
      ...(path === undefined ? {} : { path: requestPath(path) }),
      timeoutSeconds: seconds(health['timeout'], 30),
      intervalSeconds: seconds(health['interval'], 5),
    },
    egress: list(target['egress'] ?? [], 'target.egress').map((each) => text(each, 'target.egress')),
    limits: {
      ...(cpus === undefined ? {} : { cpus }),
      ...(memoryMb === undefined ? {} : { memoryMb }),
      ...(processes === undefined ? {} : { processes }),
    },
    env: Object.fromEntries(
      Object.entries(object(spec['env'] ?? {}, 'env')).map(([name, value]) => [
        name,
        text(value, `env.${name}`),
      ]),
    ),
    secretNames: Object.keys(object(spec['secrets'] ?? {}, 'secrets')),
    drift,
    revoked,
  };
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused(`an object as ${what}`, value);
  return { ...value };
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw refused(`a list as ${what}`, value);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw refused(`text as ${what}`, value);
  return value;
}

function optionalNumber(value: unknown, what: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value > 0)) throw refused(`a positive number as limits.${what}`, value);
  return value;
}

function port(value: unknown): number {
  const valid = typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536;
  if (!valid) throw refused('a port', value);
  return value;
}

/** It becomes part of a request line: nothing that could end it. */
function requestPath(path: string): string {
  if (!/^\/[\x21-\x7e]{0,400}$/.test(path)) throw refused('a health path of printable characters', path);
  return path;
}

function seconds(value: unknown, byDefault: number): number {
  return value === undefined ? byDefault : Math.max(1, parseDuration(text(value, 'duration')));
}

function refused(expected: string, got: unknown): Fault {
  return new Fault(
    'precondition',
    'deploy.target',
    `expected ${expected} in the desired state, got ${String(JSON.stringify(got)).slice(0, 200)}`,
    { hint: 'is the agent as new as the server?' },
  );
}
